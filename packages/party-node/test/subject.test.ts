import test from 'ava';
import { limits, NodeError } from '../src/index.js';
import { Budget } from '../src/node/budget.js';
import { Subject, Subjects } from '../src/node/subject.js';
import type { Grant } from '../src/wire/principal.js';
import { asker, publisher } from './publishing.js';

const grant = (runs: number, seconds: number): Grant => ({
  ...(asker() as { grant: Grant }).grant,
  quota: { runs, seconds },
});

test('a quota is of any so many seconds; what found no room is given back', (t) => {
  const s = new Subject();
  const spend = (at: number) => s.spend(grant(2, 10), at);
  spend(0);
  spend(4_000);
  const spent = t.throws<NodeError>(() => spend(9_000), { code: 'QUOTA_SPENT', instanceOf: NodeError });
  t.is(spent!.retryAfterMs, 1_000);
  spend(10_000);
  t.throws(() => spend(13_999), { code: 'QUOTA_SPENT' });
  s.refund();
  spend(13_999);
  t.throws(() => spend(13_999), { code: 'QUOTA_SPENT' });
  t.notThrows(() => new Subject().spend({ ...grant(1, 1), quota: undefined }));
});

test('askers share what their subject has; owners and publishers stand for themselves', (t) => {
  const subjects = new Subjects(new Budget('party 0', 2 ** 30));
  const a = subjects.enter(asker({ subject: 'a', id: 'g1' }));
  t.is(subjects.enter(asker({ subject: 'a', id: 'g2' })), a);
  t.not(subjects.enter(asker({ subject: 'a', publisher: 'else' })), a);
  t.not(subjects.enter(publisher()), subjects.enter(publisher()));
  t.is(a.account.most, limits.askerBytes);
  for (let i = 2; i < limits.subjectConnections; i++) subjects.enter(asker({ subject: 'a' }));
  t.throws(() => subjects.enter(asker({ subject: 'a' })), { code: 'TOO_MANY_CONNECTIONS' });
  subjects.leave(a);
  t.is(subjects.enter(asker({ subject: 'a' })), a);
});
