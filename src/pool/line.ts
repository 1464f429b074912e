/**
 * A line of objects from whose middle any can step out at once, seen from both ends. A Set will not do: its first
 * element is found by walking over all those that were deleted before it.
 */
export interface InLine<T> {
  previous: T | undefined;
  next: T | undefined;
}

export class Line<T extends InLine<T>> {
  first: T | undefined;
  last: T | undefined;
  size = 0;

  append(item: T): void {
    item.previous = this.last;
    item.next = undefined;
    if (this.last) this.last.next = item;
    else this.first = item;
    this.last = item;
    this.size++;
  }

  prepend(item: T): void {
    item.previous = undefined;
    item.next = this.first;
    if (this.first) this.first.previous = item;
    else this.last = item;
    this.first = item;
    this.size++;
  }

  /** `item` must stand in this line. */
  remove(item: T): void {
    if (item.previous) item.previous.next = item.next;
    else this.first = item.next;
    if (item.next) item.next.previous = item.previous;
    else this.last = item.previous;
    item.previous = item.next = undefined;
    this.size--;
  }
}
