import * as tf from '@tensorflow/tfjs';
import {loadBert} from '@secformer/bert-loader';
import fs from 'fs';
for (const dir of ['sst2-tiny','sst2-tiny-2quad','minilm-l6']) {
 const p='/work/shared/models/'+dir; const exp=JSON.parse(fs.readFileSync(p+'/expected.json'));
 await tf.setBackend('cpu'); const m=await loadBert(p); let worst=0,ids=true;
 for (const e of exp.slice(0,3)) { const i=m.tokenize(e.text); ids&&=(await i.inputIds.data()).join()===e.input_ids.join();
  const o= m.classifies? m.logits(i): m.embed(i); const v=await o.data(); const w=e.logits??e.mean; v.forEach((x,j)=>worst=Math.max(worst,Math.abs(x-w[j]))); }
 console.log(dir, worst, ids);
}
