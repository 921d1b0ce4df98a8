/**
 * Grants: what a publisher allows a client, as a JWT that each node checks by itself, offline. A grant names the key of
 * its client, so that whoever sees it cannot use it.
 */
import { randomBytes } from 'node:crypto';
import type * as Jose from 'jose';
import type { JWTPayload } from 'jose';
import { z } from 'zod';
import { NodeError } from '../errors.js';
import { limits } from '../limits.js';
import { base64url, type KeyPair, publicKeyFrom, publicKeyText, thumbprint } from '../wire/keys.js';
import { modelName, versionName } from '../wire/names.js';
import type { Grant } from '../wire/principal.js';
import { type Access, isDenied } from './access-file.js';

/** A tenth of the time in which a node starts; one that takes tokens alone never needs it. */
const jose = () => import('jose');

const TYPE = 'secformer-grant+jwt';
const ALGORITHM = 'EdDSA';

// Control characters have no place in a name that stands in logs
const name = z.string().regex(/^[^\p{Cc}]{1,200}$/u);
const seconds = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const claims = z.object({
  iss: z.string(),
  sub: name,
  aud: z.string(),
  jti: name,
  iat: seconds,
  nbf: seconds,
  exp: seconds,
  model: modelName,
  versions: z.array(versionName).min(1).max(64).optional(),
  outputs: z.array(name).min(1).max(64).optional(),
  quota: z
    .strictObject({ runs: z.number().int().min(1).max(1e9), seconds: z.number().int().min(1).max(1e9) })
    .optional(),
  cnf: z.object({ jkt: z.string().regex(/^[\w-]{43}$/) }),
});

/** What a publisher says in a grant. */
export interface GrantRequest {
  subject: string;
  model: string;
  versions?: readonly string[];
  outputs?: readonly string[];
  quota?: { runs: number; seconds: number };
  /** the client's public key, in hex */
  client: string;
  /** seconds that it is valid for from now on */
  validSeconds: number;
}

const jwkOf = (key: string) => ({ kty: 'OKP', crv: 'Ed25519', x: base64url(Buffer.from(key, 'hex')) });

/**
 * @param publisher whose grant it is
 * @param network the id of the nodes' network
 * @param now seconds since 1970
 * @throws NodeError BAD_CONFIGURATION for what no node would take
 */
export async function makeGrant(
  publisher: KeyPair,
  network: string,
  r: GrantRequest,
  now = Math.floor(Date.now() / 1000),
): Promise<{ text: string; id: string }> {
  const payload = {
    iss: publicKeyText(publisher.public),
    sub: r.subject,
    aud: network,
    jti: base64url(randomBytes(16)),
    iat: now,
    nbf: now,
    exp: now + r.validSeconds,
    model: r.model,
    ...(r.versions && { versions: [...r.versions] }),
    ...(r.outputs && { outputs: [...r.outputs] }),
    ...(r.quota && { quota: r.quota }),
    cnf: { jkt: thumbprint(r.client) },
  } satisfies JWTPayload;
  const checked = claims.safeParse(payload);
  if (!checked.success) {
    const { path, message } = checked.error.issues[0]!;
    throw new NodeError('client', 'BAD_CONFIGURATION', `a grant's '${path.join('.')}' is wrong: ${message}`);
  }
  const { importJWK, SignJWT } = await jose();
  const key = await importJWK({ ...jwkOf(publisher.public), d: base64url(publisher.secret.bytes) }, ALGORITHM);
  const text = await new SignJWT(payload).setProtectedHeader({ alg: ALGORITHM, typ: TYPE }).sign(key);
  if (text.length > limits.grantCharacters)
    throw new NodeError(
      'client',
      'BAD_CONFIGURATION',
      `the grant has ${text.length} characters, at most ${limits.grantCharacters}; name fewer versions or outputs`,
    );
  return { text, id: payload.jti };
}

const refused = (what: string, cause?: unknown) => new NodeError('client', 'GRANT_REFUSED', what, { cause });

/** What a check of `jose` that failed says to whoever showed the grant. */
function meaning(error: unknown, now: number, { errors }: Pick<typeof Jose, 'errors'>): string {
  if (error instanceof errors.JWTExpired) return `is over since ${date(error.payload.exp!)}`;
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim, reason } = error;
    if (reason === 'missing') return `lacks '${claim}'`;
    if (claim === 'nbf') return `is not valid before ${date(Number(error.payload.nbf))}; here it is ${date(now)}`;
    if (claim === 'aud') return 'is for another network of nodes';
    if (claim === 'typ') return `is a token of another kind; expected the type ${TYPE}`;
    return `has a wrong '${claim}'`;
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return `is not signed by ${ALGORITHM}, which alone is taken`;
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'has a signature that is not its issuer’s';
  return 'cannot be read';
}

function date(seconds: number): string {
  const at = new Date(seconds * 1000);
  return Number.isNaN(at.getTime()) ? String(seconds) : at.toISOString();
}

/**
 * Checks a grant. That whoever shows it has the key it names is for the handshake to prove.
 * @param client public key of whoever shows it, in hex
 * @param network the id of this node's network
 * @param now seconds since 1970
 * @throws NodeError GRANT_REFUSED, which says which check failed
 */
export async function readGrant(
  text: string,
  { client, access, network, now }: { client: string; access: Access; network: string; now: number },
): Promise<Grant> {
  if (text.length > limits.grantCharacters)
    throw refused(`shows a grant of ${text.length} characters, at most ${limits.grantCharacters}`);
  const { decodeJwt, importJWK, jwtVerify, ...more } = await jose();
  let issuer: unknown;
  try {
    issuer = decodeJwt(text).iss;
  } catch (cause) {
    throw refused('shows a grant that cannot be read', cause);
  }
  const key = typeof issuer === 'string' ? publicKeyFrom(issuer) : undefined;
  const publisher = key === undefined ? undefined : access.publishers.find((p) => p.key === key);
  if (!publisher) throw refused('shows a grant of nobody who may publish here');
  let payload: unknown;
  try {
    ({ payload } = await jwtVerify(text, await importJWK(jwkOf(publisher.key), ALGORITHM), {
      algorithms: [ALGORITHM],
      typ: TYPE,
      audience: network,
      requiredClaims: ['sub', 'jti', 'iat', 'nbf', 'exp', 'model', 'cnf'],
      clockTolerance: limits.clockSkewSeconds,
      currentDate: new Date(now * 1000),
    }));
  } catch (cause) {
    throw refused(`shows a grant that ${meaning(cause, now, more)}`, cause);
  }
  const parsed = claims.safeParse(payload);
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    throw refused(`shows a grant whose '${path.join('.')}' is wrong: ${message}`);
  }
  const c = parsed.data;
  if (c.iat > now + limits.clockSkewSeconds) throw refused(`shows a grant that was made later, at ${date(c.iat)}`);
  if (c.cnf.jkt !== thumbprint(client)) throw refused('shows a grant of another client’s key');
  const grant: Grant = {
    publisher: publisher.name,
    subject: c.sub,
    id: c.jti,
    model: c.model,
    versions: c.versions,
    outputs: c.outputs,
    expires: c.exp,
    quota: c.quota,
  };
  if (isDenied(access, grant)) throw refused('shows a grant that the operator of this node has denied');
  return grant;
}
