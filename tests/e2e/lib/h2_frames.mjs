// Bare frames of HTTP/2 (RFC 9113 sections 4 and 6), whatever is in them: for clients and servers that no library would be.
export const TYPE = { DATA: 0, HEADERS: 1, PRIORITY: 2, RST_STREAM: 3, SETTINGS: 4, PUSH_PROMISE: 5, PING: 6, GOAWAY: 7, WINDOW_UPDATE: 8, CONTINUATION: 9 };
export const FLAG = { END_STREAM: 1, ACK: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 0x20 };
export const CODE = { NO_ERROR: 0, PROTOCOL_ERROR: 1, INTERNAL_ERROR: 2, FLOW_CONTROL_ERROR: 3, STREAM_CLOSED: 5, REFUSED_STREAM: 7, CANCEL: 8, ENHANCE_YOUR_CALM: 11 };
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const HEAD = 9;

// ---- writing ----

export const frame = (type, flags, stream, payload = Buffer.alloc(0)) => {
  const head = Buffer.alloc(HEAD);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
};
export const u32 = (...values) => {
  const out = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => out.writeUInt32BE(value >>> 0, 4 * i));
  return out;
};

// An integer behind a prefix of `bits` (RFC 7541 section 5.1).
const integer = (value, bits, first) => {
  const most = (1 << bits) - 1;
  if (value < most) return Buffer.from([first | value]);
  const out = [first | most];
  for (value -= most; value >= 128; value = Math.floor(value / 128)) out.push((value % 128) | 128);
  return Buffer.from([...out, value]);
};
const string = (text) => {
  const bytes = Buffer.isBuffer(text) ? text : Buffer.from(text, 'latin1');
  return Buffer.concat([integer(bytes.length, 7, 0), bytes]);
};
// Literals without indexing, so that bytes go as they are; `indexed`: into the table (RFC 7541 section 6.2).
export const hpack = (fields, { indexed = false } = {}) =>
  Buffer.concat(fields.map(([name, value]) => Buffer.concat([Buffer.from([indexed ? 0x40 : 0]), string(name), string(value)])));

export const headers = (stream, fields, flags = FLAG.END_HEADERS) => frame(TYPE.HEADERS, flags, stream, hpack(fields));
export const data = (stream, body, flags = 0) => frame(TYPE.DATA, flags, stream, Buffer.from(body, 'latin1'));
export const settings = (...pairs) => frame(TYPE.SETTINGS, 0, 0, Buffer.concat(pairs.map(([id, value]) => Buffer.concat([Buffer.from([0, id]), u32(value)]))));
export const settingsAck = () => frame(TYPE.SETTINGS, FLAG.ACK, 0);
export const ping = (payload = Buffer.alloc(8), flags = 0) => frame(TYPE.PING, flags, 0, payload);
export const goaway = (last, code = CODE.NO_ERROR) => frame(TYPE.GOAWAY, 0, 0, u32(last, code));
export const reset = (stream, code = CODE.CANCEL) => frame(TYPE.RST_STREAM, 0, stream, u32(code));
export const windowUpdate = (stream, size) => frame(TYPE.WINDOW_UPDATE, 0, stream, u32(size));

// ---- reading ----

// Calls `take` with each frame that is whole: what it returns is given the bytes as they come.
export const frameReader = (take) => {
  let left = Buffer.alloc(0);
  return (bytes) => {
    left = Buffer.concat([left, bytes]);
    while (left.length >= HEAD && left.length >= HEAD + left.readUIntBE(0, 3)) {
      const end = HEAD + left.readUIntBE(0, 3);
      const found = { type: left[3], flags: left[4], id: left.readUInt32BE(5) & 0x7fffffff, payload: Buffer.from(left.subarray(HEAD, end)) };
      left = left.subarray(end);
      take(found);
    }
  };
};
// The answer that the frame is owed; null: none.
export const acknowledgement = ({ type, flags, payload }) => {
  if (flags & FLAG.ACK) return null;
  if (type === TYPE.SETTINGS) return settingsAck();
  return type === TYPE.PING ? ping(payload, FLAG.ACK) : null;
};
