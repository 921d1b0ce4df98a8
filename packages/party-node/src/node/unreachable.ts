import { STATUS_CODES } from 'node:http';

/** The error of a failed connection attempt, as Node and `ws` report it. */
export interface Failure extends Error {
  code?: string;
  /** one per address, for a name that has several */
  errors?: Error[];
  /** the certificate, if it is for another host */
  cert?: { subjectaltname?: string; subject?: { CN?: string } };
}

const AUTHORITY = 'give the PEM of the authority that has signed it as ca (SECFORMER_CA, or --tls-ca of a node)';
const NO_TLS_THERE = 'does it speak TLS? ws:// is for nodes without a certificate';
const NO_NODE_THERE = 'something before the node, such as a proxy, or what is no node';

/** What is wrong with a certificate, by OpenSSL's error codes. */
const certificates: Record<string, string> = {
  DEPTH_ZERO_SELF_SIGNED_CERT:
    'its certificate is self-signed and not one that is trusted here; where it is the right one, ' +
    'give its PEM as ca (SECFORMER_CA, or --tls-ca of a node)',
  SELF_SIGNED_CERT_IN_CHAIN: `the authority of its certificate is not one that is trusted here; ${AUTHORITY}`,
  UNABLE_TO_GET_ISSUER_CERT: `the authority of its certificate is unknown here; ${AUTHORITY}`,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: `the authority of its certificate is unknown here; ${AUTHORITY}`,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: `the authority of its certificate is unknown here; ${AUTHORITY}`,
  CERT_HAS_EXPIRED: "its certificate has expired; its operator has to renew it, unless this machine's clock is wrong",
  CERT_NOT_YET_VALID: "its certificate is not valid yet; is this machine's clock right?",
  CERT_SIGNATURE_FAILURE:
    'the signature of its certificate is not that of its authority; another authority may have the same name',
  CERT_REVOKED: 'its certificate was revoked',
  INVALID_PURPOSE: 'its certificate is not for servers; its operator needs one that is',
};

/** What is wrong with an address, by the system's error codes. */
const addresses: Record<string, string> = {
  ENOTFOUND: 'there is no host of that name',
  EAI_AGAIN: 'names cannot be looked up at present',
  EHOSTUNREACH: 'its network cannot be reached from here',
  ENETUNREACH: 'its network cannot be reached from here',
  ETIMEDOUT: 'nothing answers at that address',
};

/** Why a connection attempt failed, for whoever has to fix it. @param tls whether the URL is wss:// */
export function reasonOf(cause: Failure, tls: boolean): string {
  const { code = '', message } = cause;
  if (code.startsWith('ERR_SSL_'))
    return `TLS failed (${code}): somebody or something on the way changes what passes, or does not speak TLS`;
  const said = message || cause.errors?.map((e) => e.message).join(', ') || code || 'it failed';
  if (code === 'ECONNREFUSED') return `${said}; is it running?`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `its certificate is for ${namesOf(cause)} and not for this host`;
  const known = certificates[code];
  if (known) return `${known} (${code})`;
  if (addresses[code]) return `${addresses[code]}: ${said}`;
  if (code === 'ECONNRESET')
    return `it ended the connection (${said}); ${tls ? NO_TLS_THERE : 'does it speak TLS, as wss://?'}`;
  if (code === 'EPROTO')
    return 'what listens there does not speak TLS as this side does; ws:// is for nodes without a certificate';
  const status = /^Unexpected server response: (\d+)$/.exec(said)?.[1];
  if (status) return `it answered ${status} (${STATUS_CODES[status] ?? 'unknown'}); ${NO_NODE_THERE}`;
  if (code.startsWith('HPE_') || /^Invalid (Upgrade|Sec-WebSocket)/.test(said))
    return `what listens there is no node (${said})`;
  return said;
}

function namesOf({ cert }: Failure): string {
  const names = cert?.subjectaltname?.replace(/\b(DNS|IP Address):/g, '') || cert?.subject?.CN;
  return names || 'no name';
}
