/** SHA-256 (FIPS 180-4), also where the browser has none: it hashes on this machine and over TLS only. */

const PRIMES = [
  2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
  113, 127, 131, 137, 139, 149, 151, 157, 163, 167, 173, 179, 181, 191, 193, 197, 199, 211, 223, 227, 229, 233, 239,
  241, 251, 257, 263, 269, 271, 277, 281, 283, 293, 307, 311,
];
const BLOCK = 64;

/** Returns the hash in hexadecimal digits. */
export async function sha256Of(bytes: ArrayBuffer): Promise<string> {
  const isHere = crypto.subtle !== undefined;
  const hash = new Uint8Array(isHere ? await crypto.subtle.digest("SHA-256", bytes) : hashed(bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function hashed(bytes: ArrayBuffer): ArrayBuffer {
  const state = wordsOf(PRIMES.slice(0, 8).map(Math.sqrt));
  const rounds = wordsOf(PRIMES.map(Math.cbrt));
  const schedule = wordsOf(PRIMES);
  const whole = bytes.byteLength - (bytes.byteLength % BLOCK);
  const view = new DataView(bytes);
  for (let at = 0; at < whole; at += BLOCK) addBlock(state, rounds, schedule, view, at);
  const rest = padded(bytes.slice(whole), bytes.byteLength);
  for (let at = 0; at < rest.byteLength; at += BLOCK) addBlock(state, rounds, schedule, rest, at);
  return state.buffer as ArrayBuffer;
}

/** Returns the first 32 bits behind the point of each number. */
function wordsOf(numbers: readonly number[]): DataView {
  const words = new DataView(new ArrayBuffer(4 * numbers.length));
  numbers.forEach((number, place) => words.setUint32(4 * place, (number % 1) * 2 ** 32));
  return words;
}

/** Returns the last bytes with the mark of the end and the length in bits. */
function padded(rest: ArrayBuffer, length: number): DataView {
  const size = rest.byteLength + 9 <= BLOCK ? BLOCK : 2 * BLOCK;
  const bytes = new Uint8Array(size);
  bytes.set(new Uint8Array(rest));
  bytes[rest.byteLength] = 0x80;
  const view = new DataView(bytes.buffer);
  view.setBigUint64(size - 8, BigInt(length) * 8n);
  return view;
}

function addBlock(state: DataView, rounds: DataView, schedule: DataView, data: DataView, at: number): void {
  for (let i = 0; i < 64; i += 4) schedule.setInt32(i, data.getInt32(at + i));
  for (let i = 64; i < 256; i += 4) {
    const early = schedule.getInt32(i - 60);
    const late = schedule.getInt32(i - 8);
    const s0 = turned(early, 7) ^ turned(early, 18) ^ (early >>> 3);
    const s1 = turned(late, 17) ^ turned(late, 19) ^ (late >>> 10);
    schedule.setInt32(i, (schedule.getInt32(i - 64) + s0 + schedule.getInt32(i - 28) + s1) | 0);
  }
  let a = state.getInt32(0);
  let b = state.getInt32(4);
  let c = state.getInt32(8);
  let d = state.getInt32(12);
  let e = state.getInt32(16);
  let f = state.getInt32(20);
  let g = state.getInt32(24);
  let h = state.getInt32(28);
  for (let i = 0; i < 256; i += 4) {
    const s1 = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25);
    const first = (h + s1 + ((e & f) ^ (~e & g)) + rounds.getInt32(i) + schedule.getInt32(i)) | 0;
    const s0 = turned(a, 2) ^ turned(a, 13) ^ turned(a, 22);
    const second = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + first) | 0;
    d = c;
    c = b;
    b = a;
    a = (first + second) | 0;
  }
  add(state, 0, a);
  add(state, 4, b);
  add(state, 8, c);
  add(state, 12, d);
  add(state, 16, e);
  add(state, 20, f);
  add(state, 24, g);
  add(state, 28, h);
}

function add(state: DataView, at: number, word: number): void {
  state.setInt32(at, (state.getInt32(at) + word) | 0);
}

function turned(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}
