import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { bad, readSecret, readText } from '../identity/files.js';

/** What a node shows to whoever connects to it, as PEM. */
export interface Identity {
  cert: string;
  key: string;
}

export interface IdentityFiles {
  tlsCert?: string;
  tlsKey?: string;
  /** of an encrypted key */
  tlsPassphraseFile?: string;
}

const CERTIFICATE = /-----BEGIN ((?:TRUSTED |X509 )?CERTIFICATE)-----[^-]*-----END \1-----/g;
const BEGINS = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/g;
const KEY = /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/;

const reason = (cause: unknown) => (cause as Error).message;

/**
 * The certificates in a PEM text, in their order.
 * @param name of the text, as its owner knows it, such as 'the CA file ca.pem'
 * @throws NodeError BAD_CONFIGURATION where there are none, or one of them cannot be read
 */
export function certificatesIn(text: string, name: string): X509Certificate[] {
  const begun = text.match(BEGINS)?.length ?? 0;
  const blocks = text.match(CERTIFICATE) ?? [];
  if (begun === 0 && KEY.test(text)) throw bad(`${name} holds a private key, where a certificate is expected`);
  if (begun === 0)
    throw bad(`${name} holds no certificate; expected PEM text with a line '-----BEGIN CERTIFICATE-----'`);
  if (blocks.length < begun)
    throw bad(
      `${name} is damaged: of ${begun} certificates that begin in it, ${blocks.length} have an end; copy it again`,
    );
  return blocks.map((block, i) => {
    try {
      return new X509Certificate(block);
    } catch (cause) {
      throw bad(`${name} is damaged: its certificate ${i + 1} of ${begun} cannot be read; copy it again`, cause);
    }
  });
}

/** The text of a file of authorities. @throws NodeError BAD_CONFIGURATION, with the file and what is wrong with it */
export function readAuthority(file: string): string {
  const text = readText(file, 'CA');
  certificatesIn(text, `the CA file ${file}`);
  return text;
}

function signed(one: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return one.verify(issuer.publicKey);
  } catch {
    return false;
  }
}

/**
 * A node's certificate and its key.
 * @returns nothing where neither was given
 * @throws NodeError BAD_CONFIGURATION, with the file and what is wrong with it
 */
export function readIdentity({ tlsCert, tlsKey, tlsPassphraseFile }: IdentityFiles): Identity | undefined {
  if ((tlsCert === undefined) !== (tlsKey === undefined))
    throw bad('--tls-cert and --tls-key belong together; one of them is missing');
  if (tlsCert === undefined || tlsKey === undefined) {
    if (tlsPassphraseFile !== undefined)
      throw bad('--tls-passphrase-file is for an encrypted --tls-key, which is missing');
    return undefined;
  }
  const cert = readText(tlsCert, 'certificate');
  const all = certificatesIn(cert, `the certificate file ${tlsCert}`);
  for (const [i, one] of all.entries()) {
    const issuer = all.find((other) => one.checkIssued(other));
    if (issuer && !signed(one, issuer))
      throw bad(
        `the certificate file ${tlsCert} is damaged: ` +
          `its certificate ${i + 1} of ${all.length} has another signature than its issuer's`,
      );
  }
  const key = readKey(tlsKey, tlsPassphraseFile);
  const whose = all.findIndex((one) => one.checkPrivateKey(key));
  if (whose === -1)
    throw bad(
      `the key file ${tlsKey} is not the key of the certificate in ${tlsCert}; give the two that were made together`,
    );
  if (whose > 0)
    throw bad(
      `the certificate file ${tlsCert} has the certificate of ${tlsKey} in place ${whose + 1}; ` +
        'it has to be the first, and its issuers behind it',
    );
  const identity = { cert, key: key.export({ type: 'pkcs8', format: 'pem' }) as string };
  try {
    createSecureContext(identity);
  } catch (cause) {
    throw bad(`the certificate in ${tlsCert} cannot be used for TLS (${reason(cause)})`, cause);
  }
  return identity;
}

function readKey(file: string, passphraseFile: string | undefined): KeyObject {
  const text = readSecret(file, 'key');
  const name = `the key file ${file}`;
  if (!KEY.test(text)) {
    const what = text.match(BEGINS)
      ? 'a certificate, where its private key is expected'
      : "no private key; expected PEM text with a line '-----BEGIN PRIVATE KEY-----'";
    throw bad(`${name} holds ${what}`);
  }
  // Of PKCS #8, or of the older files that say so in a line of their own
  const encrypted = /-----BEGIN ENCRYPTED |^Proc-Type:.*ENCRYPTED/m.test(text);
  if (encrypted && passphraseFile === undefined)
    throw bad(
      `${name} is encrypted; give a file with its passphrase as --tls-passphrase-file, ` +
        `or decrypt it: openssl pkey -in ${file} -out OTHER`,
    );
  const passphrase =
    passphraseFile === undefined ? undefined : readSecret(passphraseFile, 'passphrase').replace(/\r?\n$/, '');
  try {
    return createPrivateKey({ key: text, ...(encrypted && passphrase !== undefined && { passphrase }) });
  } catch (cause) {
    throw bad(
      encrypted
        ? `the passphrase in ${passphraseFile} does not open ${name}, or it is damaged`
        : `${name} is damaged, or not a private key: it cannot be read; copy it again`,
      cause,
    );
  }
}
