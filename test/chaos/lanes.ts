/** Does something for each item, `count` at a time. */
export async function lanes<T>(count: number, items: readonly T[], each: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const lane = async (): Promise<void> => {
    for (const item of left) await each(item);
  };
  await Promise.all(Array.from({ length: count }, lane));
}
