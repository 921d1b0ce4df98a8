import { OpenAIEmbeddings } from '@langchain/openai';

// The proxy on this machine: texts do not leave it
const embeddings = new OpenAIEmbeddings({
  model: 'vectors',
  apiKey: 'unused',
  configuration: { baseURL: process.env.OPENAI_BASE_URL ?? 'http://127.0.0.1:8470/v1' },
});

const reviews = [
  'An unforgettable, heartbreaking masterpiece.',
  'Tedious, overlong and utterly predictable.',
  'A dull script wastes a good idea.',
  'Gorgeous to look at and a joy to listen to.',
];
const question = 'I would happily watch it again tomorrow.';

const vectors = await embeddings.embedDocuments(reviews);
const asked = await embeddings.embedQuery(question);

// Vectors have length 1, so their product is their cosine
const cosine = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const ranked = reviews.map((review, i) => ({ review, score: cosine(vectors[i], asked) }));
console.log(question);
for (const { review, score } of ranked.sort((a, b) => b.score - a.score)) console.log(score.toFixed(4), review);
