// The Prometheus text format (0.0.4), read strictly.
const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (NaN|[+-]?Inf|[-+0-9.eE]+)(?: [0-9]+)?$`);
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/gy;

function parseLabels(text) {
  const labels = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const at = LABEL.lastIndex;
    const match = LABEL.exec(text);
    if (!match) throw new Error(`labels at ${at}: ${text}`);
    labels[match[1]] = match[2].replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
  }
  return labels;
}

export function parseMetrics(text) {
  if (!text.endsWith('\n')) throw new Error('metrics do not end with a newline');
  const samples = [];
  const types = new Map();
  const helps = new Map();
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = new RegExp(`^# (TYPE|HELP) (${NAME}) (.*)$`).exec(line);
    if (comment) {
      const map = comment[1] === 'TYPE' ? types : helps;
      if (map.has(comment[2])) throw new Error(`${comment[1]} twice for ${comment[2]}`);
      map.set(comment[2], comment[3]);
      continue;
    }
    const match = SAMPLE.exec(line);
    if (!match) throw new Error(`not a sample: ${line}`);
    samples.push({ name: match[1], labels: parseLabels(match[2] ?? ''), value: Number(match[3].replace('Inf', 'Infinity')) });
  }
  const fits = (sample, name, labels) => sample.name === name && Object.entries(labels).every(([k, v]) => sample.labels[k] === String(v));
  return {
    samples,
    types,
    helps,
    // The sum over all samples with these labels; 0 where there is none.
    sum: (name, labels = {}) => samples.filter((s) => fits(s, name, labels)).reduce((sum, s) => sum + s.value, 0),
    has: (name, labels = {}) => samples.some((s) => fits(s, name, labels)),
  };
}
