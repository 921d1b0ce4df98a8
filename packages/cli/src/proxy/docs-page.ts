/** `GET /docs`: the OpenAPI description as a page to read. It has no script, and nothing in it is fetched. */
import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';

/** What of a schema is shown. */
interface Schema {
  type?: string;
  description?: string;
  nullable?: boolean;
  enum?: readonly unknown[];
  anyOf?: readonly Schema[];
  items?: Schema;
  properties?: Readonly<Record<string, Schema>>;
  required?: readonly string[];
}

type Content = Readonly<Record<string, { schema?: Schema }>>;

interface Operation {
  tags?: readonly string[];
  summary?: string;
  requestBody?: { content?: Content };
  responses?: Readonly<Record<string, { description?: string; content?: Content }>>;
}

/** What of the description is shown. */
export interface Described {
  info: { title: string; version: string; description?: string };
  paths?: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

const STYLE = `
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 3rem; border-bottom: 1px solid; }
h3 { margin: 2rem 0 0; }
p { margin: 0.25rem 0; }
code, pre { font-family: ui-monospace, monospace; }
h3 code, td { overflow-wrap: anywhere; }
h3 code { font-size: 1.1rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: 0.5rem; border: 1px solid; border-radius: 0.25rem; }
table { border-collapse: collapse; margin: 0.5rem 0; }
th, td { text-align: left; vertical-align: top; padding: 0.15rem 1rem 0.15rem 0; }
@media (min-width: 40rem) { td code { white-space: nowrap; } }
`;

const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text: string) => text.replaceAll(/[&<>"]/g, (c) => ENTITIES[c]!);
const code = (text: string) => `<code>${escaped(text)}</code>`;

/** A type in words, such as 'text, or list of text'. */
function typeOf({ type, enum: values, anyOf, items, properties, nullable }: Schema): string {
  if (anyOf) return anyOf.map(typeOf).join(', or ');
  if (values) return values.map((value) => JSON.stringify(value)).join(', or ');
  const null_ = nullable ? ', or null' : '';
  if (type === 'array') return `list of ${typeOf(items ?? {})}${null_}`;
  if (type === 'object' && properties) return `{ ${Object.keys(properties).join(', ')} }${null_}`;
  return `${type === 'string' ? 'text' : (type ?? 'anything')}${null_}`;
}

/** A value of this type with all that has to be in it. */
function sampleOf({ type, enum: values, anyOf, items, properties = {}, required = [] }: Schema): unknown {
  if (anyOf) return sampleOf(anyOf[0]!);
  if (values) return values[0];
  if (type === 'array') return [sampleOf(items ?? {})];
  if (type === 'object') return Object.fromEntries(required.map((name) => [name, sampleOf(properties[name] ?? {})]));
  if (type === 'boolean') return true;
  return type === 'integer' || type === 'number' ? 1 : '…';
}

const schemaOf = (content: Content | undefined) => content?.['application/json']?.schema;

function fieldsOf({ properties = {}, required = [] }: Schema): string {
  const rows = Object.entries(properties).map(([name, schema]) => {
    const about = [required.includes(name) ? 'needed' : '', schema.description ?? ''].filter((part) => part !== '');
    const type = escaped(typeOf(schema));
    return `<tr><td>${code(name)}</td><td>${type}</td><td>${escaped(about.join('; '))}</td></tr>`;
  });
  if (rows.length === 0) return '';
  const head = '<tr><th scope="col">field</th><th scope="col">type</th><th scope="col">what</th></tr>';
  return `<table><thead>${head}</thead><tbody>${rows.join('')}</tbody></table>`;
}

/** What is typed in a terminal to ask this. */
function commandOf(url: string, body: Schema | undefined): string {
  // The samples hold no quotation mark that ends the shell's own
  return `curl ${url}${body ? ` --json '${JSON.stringify(sampleOf(body))}'` : ''}`;
}

/** Where a page's examples go to. */
interface Where {
  /** such as 'http://127.0.0.1:8470' */
  base: string;
  /** of the first model */
  name: string;
  version: string;
}

function operationOf(method: string, path: string, { summary = '', requestBody, responses }: Operation, w: Where) {
  const body = schemaOf(requestBody?.content);
  const answer = responses?.['200'];
  const gives = schemaOf(answer?.content);
  const url = w.base + path.replace('{name}', w.name).replace('{version}', w.version);
  return [
    `<h3>${code(`${method.toUpperCase()} ${path}`)}</h3>`,
    `<p>${escaped(summary)}</p>`,
    body ? fieldsOf(body) : '',
    gives ? `<p>Answers: ${escaped(`${typeOf(gives)}; ${answer?.description ?? ''}`)}</p>` : '',
    `<pre>${escaped(commandOf(url, body))}</pre>`,
  ].join('\n');
}

/**
 * The page.
 * @param models as NAME@VERSION
 * @param base where the proxy is, such as 'http://127.0.0.1:8470'
 */
export function pageOf({ info, paths = {} }: Described, models: readonly string[], base: string): string {
  const [name = '', version = ''] = (models[0] ?? '').split('@');
  const where = { base, name, version };
  const sections = new Map<string, string[]>();
  for (const [path, operations] of Object.entries(paths))
    for (const [method, operation] of Object.entries(operations)) {
      const tag = operation.tags?.[0] ?? 'Others';
      sections.set(tag, [...(sections.get(tag) ?? []), operationOf(method, path, operation, where)]);
    }
  const body = [...sections].map(([tag, parts]) => `<section><h2>${escaped(tag)}</h2>\n${parts.join('\n')}</section>`);
  const served = models.map(code).join(', ');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(info.title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escaped(info.title)} ${escaped(info.version)}</h1>
<p>${escaped(info.description ?? '')}</p>
<p>It serves ${served}. <a href="openapi.json">openapi.json</a> is this page for machines.</p>
${body.join('\n')}
</main>
</body>
</html>
`;
}

/** @param models what is served, as NAME@VERSION */
export async function docsPage(app: FastifyInstance, { models }: { models: readonly string[] }): Promise<void> {
  const schema = { tags: ['Operation'], summary: 'This description as a page' };
  app.get('/docs', { schema }, async ({ protocol, host }, reply) => {
    const base = /^[\w.:[\]-]+$/.test(host) ? `${protocol}://${host}` : '';
    reply.header('Content-Security-Policy', POLICY).type('text/html; charset=utf-8');
    return pageOf(app.swagger() as unknown as Described, models, base);
  });
}
