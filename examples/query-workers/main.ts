/** Programs that stay up and answer one request after another, here jq and sqlite3, asked from closures on a runner. */
import { BinaryExitError, BinaryStartError, binary, flame, pool } from "tinderbox";

const shop = pool("shop", { max: 1, concurrency: 8 });

// A JSON value a line in, a JSON value a line out. `try` answers what makes no sense, instead of ending.
const totals = binary("totals", {
  command: "jq",
  args: ["--unbuffered", "-c", "try { total: (.items | map(.price * .count) | add) } catch { error: . }"],
  protocol: "jsonl",
  timeout: "10s",
});

// A line in, a line out: a query that gives one row. `-bail` ends sqlite3 at the first mistake.
const words = "create table word as select 'tinderbox' as text union select 'flame' union select 'spark'";
const database = binary("database", {
  command: "sqlite3",
  args: ["-batch", "-bail", "-cmd", words, ":memory:"],
  protocol: "lines",
  size: 2,
  timeout: "30s",
});

// A call of each shows whether the programs are there.
await Promise.all([totals.call({ items: [] }), database.call("select 1;")]).catch((error: unknown) => {
  if (!(error instanceof BinaryStartError)) throw error;
  console.error(`${error.message}\nOn Debian and Ubuntu: sudo apt install jq sqlite3`);
  process.exit(1);
});
await Promise.all([totals.close(), database.close()]);

// On the runner they start with the first call, and stay up for those that follow, also of other closures.
const basket = {
  items: [
    { price: 3, count: 4 },
    { price: 10, count: 1 },
  ],
};
const { total } = await flame(() => totals.call<{ total: number }>(basket), { pool: shop });
console.log(`jq says that the basket costs ${total}`);

const [longest, count, size] = await flame(
  () =>
    Promise.all([
      database.call("select text from word order by length(text) desc limit 1;"),
      database.call("select count(*) from word;"),
      database.call("select sum(length(text)) from word;"),
    ]),
  { pool: shop },
);
console.log(`sqlite3 says: ${count} words of ${size} letters, the longest is "${longest}"`);

// Hundreds of calls by two processes.
const began = performance.now();
const squares = await flame(
  () => Promise.all(Array.from({ length: 500 }, (_, n) => database.call(`select ${n} * ${n};`))),
  { pool: shop },
);
const sum = squares.reduce((all, square) => all + Number(square), 0);
console.log(`500 queries in ${(performance.now() - began).toFixed(0)} ms; their sum is ${sum}\n`);

// A wrong request, of the kind that the program answers, and of the kind that it ends by.
const odd = await flame(() => totals.call<{ error: string }>({ items: 3 }), { pool: shop });
console.log(`jq answers to nonsense: ${odd.error}`);
const wrong = await flame(() => database.call("selec;"), { pool: shop }).catch((error: unknown) => error);
if (!(wrong instanceof BinaryExitError)) throw new Error("sqlite3 should have ended", { cause: wrong });
console.log(`sqlite3 ends with exit code ${wrong.exitCode}: ${wrong.stderr.trim().split("\n")[0]}`);

// A crash is the problem of the one who was on that process, and of nobody else.
const slow = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 300000) select sum(i) from n;";
const [crash, ...others] = await Promise.allSettled([
  flame(() => database.call(".shell kill -9 $PPID"), { pool: shop }),
  flame(() => database.call(slow), { pool: shop }),
  flame(() => database.call("select 'and I waited for a place';"), { pool: shop }),
]);
const reason: unknown = crash.status === "rejected" ? crash.reason : undefined;
if (!(reason instanceof BinaryExitError)) throw new Error("that process should have been killed", { cause: reason });
console.log(`\nkilled: ${reason.name}, status ${reason.status}, by ${reason.signal}`);
for (const other of others) console.log(`others: ${other.status === "fulfilled" ? other.value : String(other.reason)}`);
await shop.close();
