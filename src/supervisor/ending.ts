/** Ends children: asks, waits, kills, waits again, forgets. It always comes to an end unless a child may take "infinity". */
import type { Timer } from "../ports/clock.ts";
import { defaultForgetMs } from "./defaults.ts";
import type { SupervisorHost } from "./host.ts";
import type { Life } from "./life.ts";
import type { ResolvedSpec } from "./spec.ts";

/** Resolves when all have ended. They are told at the same time and share one timer. */
export async function endLives(
  lives: readonly Life[],
  shutdown: ResolvedSpec["shutdown"],
  { clock, forgetMs = defaultForgetMs }: SupervisorHost,
): Promise<void> {
  const left = new Set(lives);
  let timer: Timer | undefined;
  const arm = (ms: number, fire: () => void): void => {
    timer = clock.timer(ms, fire);
    // Whoever waits for the end is to see it, also when nothing else keeps the process alive.
    timer.hold(true);
  };
  const kill = (): void => {
    for (const life of left) life.tell("kill");
    arm(forgetMs, () => {
      for (const life of left) life.forget();
    });
  };

  if (shutdown === "brutal_kill") kill();
  else {
    for (const life of left) if (!life.tell("shutdown")) life.tell("kill");
    arm(shutdown === "infinity" ? Infinity : shutdown, kill);
  }
  await Promise.all(lives.map((life) => life.ended.then(() => left.delete(life))));
  timer?.cancel();
}
