import test from 'ava';
import { reasonOf } from '../src/node/unreachable.js';

test('a connection that TLS ends is told of in one line, without the text of OpenSSL', (t) => {
  const code = 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC';
  const text = '809C04D4AB7F0000:error:0A000119:SSL routines:ssl3_get_record:bad record mac:ssl3_record.c:623:\n';
  const reason = reasonOf(Object.assign(new Error(text), { code }), true);
  t.regex(reason, /^TLS failed \(ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC\): [^\n]*$/);
  t.notRegex(reason, /0A000119/);
});
