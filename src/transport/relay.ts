/** Joins two connections into one: what comes from either is written to the other, no faster than that takes it. */
import type { Connection } from "../ports/transport.ts";

/** `over` is called once, when both have closed. */
export function relay(one: Connection, other: Connection, over: () => void): void {
  let open = 2;
  join(one, other, () => --open === 0 && over());
  join(other, one, () => --open === 0 && over());
}

function join(from: Connection, to: Connection, closed: () => void): void {
  from.attach({
    data(chunk) {
      if (!to.write(chunk)) from.pause(true);
    },
    // It may be told more: whoever was held up is the other one.
    drain: () => to.pause(false),
    close(error) {
      // A clean end is passed on after all that came before; anything else is no end to wait for.
      if (error) to.destroy();
      else to.end();
      closed();
    },
  });
}
