// A bounded place for what has arrived: what lies farthest from where somebody looks goes first.

/** How far a frame is from what is looked at; Infinity for what nobody wants. */
export type Distance = (id: string) => number;

interface Item<T> {
  readonly content: T;
  readonly bytes: number;
}

export class Shelf<T> {
  private readonly items = new Map<string, Item<T>>();
  bytes = 0;

  constructor(readonly budget: number) {}

  get(id: string): T | undefined {
    return this.items.get(id)?.content;
  }

  has(id: string): boolean {
    return this.items.has(id);
  }

  /** Keeps it, unless all that is here is nearer and there is no room; whether it did. */
  put(id: string, content: T, bytes: number, distance: Distance): boolean {
    this.delete(id);
    if (!this.room(id, bytes, distance)) return false;
    this.items.set(id, { content, bytes });
    this.bytes += bytes;
    return true;
  }

  /** Whether there is room for that frame, what is farther than it given up. */
  room(id: string, bytes: number, distance: Distance): boolean {
    if (this.bytes + bytes <= this.budget) return true;
    const own = distance(id);
    const farther = [...this.items.keys()]
      .map((each) => ({ each, far: distance(each) }))
      .filter(({ far }) => far > own)
      .sort((a, b) => b.far - a.far);
    // A little more than is needed, so that not every arrival sorts all there is.
    for (const { each } of farther) {
      if (this.bytes + bytes <= this.budget * 0.97) break;
      this.delete(each);
    }
    return this.bytes + bytes <= this.budget;
  }

  delete(id: string): void {
    const item = this.items.get(id);
    if (!item) return;
    this.bytes -= item.bytes;
    this.items.delete(id);
  }
}
