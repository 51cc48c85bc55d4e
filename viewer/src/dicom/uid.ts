// New UIDs: 2.25 and a random 128-bit integer (PS3.5 §B.2).

export function newUid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return `2.25.${bytes.reduce((n, byte) => n * 256n + BigInt(byte), 0n)}`;
}
