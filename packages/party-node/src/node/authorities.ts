import { readFileSync } from 'node:fs';
import * as tls from 'node:tls';
import { certificatesIn } from './certificates.js';

let last: { ca: string; context: tls.SecureContext } | undefined;

/**
 * Trust in the authorities that Node trusts by itself, and in these.
 * @param ca PEM text
 * @throws NodeError BAD_CONFIGURATION where that holds no certificate, or a damaged one
 */
export function trusting(ca: string): tls.SecureContext {
  if (last?.ca === ca) return last.context;
  certificatesIn(ca, 'ca');
  // To say any authority takes Node's own away
  last = { ca, context: tls.createSecureContext({ ca: [...ownAuthorities(), ca] }) };
  return last.context;
}

/**
 * What Node trusts where nothing is said: its own list and NODE_EXTRA_CA_CERTS; from Node 22.15 on also what its
 * options add.
 */
function ownAuthorities(): readonly string[] {
  const { getCACertificates } = tls as { getCACertificates?: (kind: 'default') => string[] };
  if (getCACertificates) return getCACertificates('default');
  const file = process.env.NODE_EXTRA_CA_CERTS;
  if (!file) return tls.rootCertificates;
  try {
    return [...tls.rootCertificates, readFileSync(file, 'utf8')];
  } catch {
    // Node says so itself when it starts
    return tls.rootCertificates;
  }
}
