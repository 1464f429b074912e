import { describe, expect, test } from "vitest";
import { seeded } from "../../src/pool/simulation/random.ts";
import { resolveServiceTimes } from "../../src/pool/simulation/service-times.ts";
import { type ReadTrace, readTrace } from "../../src/pool/simulation/trace.ts";

interface Given {
  readonly service?: string;
  readonly unit?: "s" | "ms";
}

function read(text: string, { service, unit }: Given = {}): ReadTrace {
  return readTrace(text, {
    name: "calls.csv",
    service: service === undefined ? undefined : resolveServiceTimes(service, "--service"),
    unit,
    random: seeded(1),
  });
}

function arrivals(text: string, given: Given = { service: "1s" }): number[] {
  return Array.from(read(text, given).trace.arrivalsMs, (ms) => Math.round(ms * 1_000) / 1_000);
}

describe("times", () => {
  test.each([
    ["dates in UTC", "2026-01-31T12:00:00Z\n2026-01-31T12:00:01.5Z", [0, 1_500]],
    [
      "dates with a blank, no zone and more digits",
      "2023-11-16 18:17:03.9799600\n2023-11-16 18:17:04.0319600",
      [0, 52],
    ],
    ["dates of different zones", "2026-01-31T12:00:00+01:00\n2026-01-31T11:00:02Z", [0, 2_000]],
    ["seconds", "0\n0.5\n2", [0, 500, 2_000]],
    ["seconds of the clock on the wall", "1700000000\n1700000001.25", [0, 1_250]],
    ["milliseconds of it", "1700000000000\n1700000001250", [0, 1_250]],
    ["numbers with exponents, and below 0", "-1e0\n1E+0", [0, 2_000]],
    ["the first call is at 0, whenever it was", "100\n101", [0, 1_000]],
    ["a header", "time\n1\n2", [0, 1_000]],
    ["Windows, a byte order mark, quotes and blank lines", '\u{feff}"time"\r\n\r\n"1"\r\n "2" \r\n\r\n', [0, 1_000]],
    ["a single call", "5", [0]],
  ])("%s", (_, text, wanted) => {
    expect(arrivals(text)).toEqual(wanted);
  });

  test("dates without a zone are in UTC, where no night has an hour twice or not at all", () => {
    const zone = process.env["TZ"];
    process.env["TZ"] = "Europe/Berlin";
    try {
      expect(new Date(2026, 6, 1).getTimezoneOffset()).toBe(-120);
      expect(arrivals("2026-03-29 01:59:59\n2026-03-29 03:00:00")).toEqual([0, 3_601_000]);
    } finally {
      if (zone === undefined) delete process.env["TZ"];
      else process.env["TZ"] = zone;
    }
  });

  test("small numbers can be declared milliseconds", () => {
    expect(arrivals("0\n250", { service: "1s", unit: "ms" })).toEqual([0, 250]);
    expect(arrivals("1700000000000\n1700000000001", { service: "1s", unit: "s" })).toEqual([0, 1_000]);
  });

  test("what numbers were taken for is told, and how to have them otherwise", () => {
    expect(read("0\n1", { service: "1s" }).notes).toEqual([
      "timestamps are numbers and were taken as seconds; --unit ms if they are not",
    ]);
    expect(read("1700000000000", { service: "1s" }).notes).toEqual([
      "timestamps are numbers and were taken as milliseconds; --unit s if they are not",
    ]);
    expect(read("0", { service: "1s", unit: "s" }).notes).toEqual([]);
    expect(read("2026-01-31T12:00:00Z", { service: "1s" }).notes).toEqual([]);
  });

  test("unsorted ones are sorted with their service times, and it is told", () => {
    const { trace, notes } = read("3,0.3\n1,0.1\n2,0.2\n2,0.4", { unit: "s" });
    expect([...trace.arrivalsMs]).toEqual([0, 1_000, 1_000, 2_000]);
    expect([...trace.servicesMs].map(Math.round)).toEqual([100, 200, 400, 300]);
    expect(notes).toEqual(["1 of 4 timestamps came before the one above them; all were sorted"]);
  });
});

describe("service times", () => {
  const services = (text: string, service?: string): number[] =>
    Array.from(read(text, service === undefined ? {} : { service }).trace.servicesMs, Math.round);

  test("the second column holds them in seconds, with and without a header", () => {
    expect(services("0,1.5\n1,0")).toEqual([1_500, 0]);
    expect(services("at,took\n0,1.5\n1,0")).toEqual([1_500, 0]);
    expect(read("at,took\n0,1.5").service.text).toBe("seconds in took");
  });

  test("Azure's LLM traces have tokens instead", () => {
    const text = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n";
    expect(services(text)).toEqual([700]);
    expect(read(text).service.text).toBe("0.5+0.02*GeneratedTokens");
    expect(services(text, "0.001*ContextTokens")).toEqual([4_808]);
  });

  test("what the user says counts more than the second column", () => {
    expect(services("0,9\n1,9", "250ms")).toEqual([250, 250]);
  });
});

describe("what is refused", () => {
  const wanted = "a date such as 2026-01-31T12:00:00.5Z or a number is wanted";

  test.each([
    ["an empty file", "", "Cannot use calls.csv: it holds no calls; a line with a timestamp for each call is wanted"],
    [
      "blank lines alone",
      "\n \n",
      "Cannot use calls.csv: it holds no calls; a line with a timestamp for each call is wanted",
    ],
    [
      "a header alone",
      "time\n",
      "Cannot use calls.csv: it holds no calls; a line with a timestamp for each call is wanted",
    ],
    ["words", "time\nsoon\n", `Cannot read line 2 of calls.csv: "soon" is no time; ${wanted}`],
    ["a number that is none", "1..5\n", `Cannot read line 1 of calls.csv: "1..5" is no time; ${wanted}`],
    ["an endless number", "1e999\n", `Cannot read line 1 of calls.csv: "1e999" is no time; ${wanted}`],
    [
      "an empty field",
      "time\n1\n\n,5\n",
      'Cannot read line 4 of calls.csv: "" is no time; a number, as before, is wanted',
    ],
    [
      "a number among dates",
      "2026-01-31T12:00:00Z\n17\n",
      'Cannot read line 2 of calls.csv: "17" is no time; a date such as 2026-01-31T12:00:00.5Z, as before, is wanted',
    ],
    [
      "an hour that does not exist",
      "2026-01-31T12:00:00Z\n2026-01-31T25:00:00Z\n",
      'Cannot read line 2 of calls.csv: "2026-01-31T25:00:00Z" is no time; a date such as 2026-01-31T12:00:00.5Z, as before, is wanted',
    ],
  ])("%s", (_, text, message) => {
    expect(() => read(text, { service: "1s" })).toThrow(new TypeError(message));
  });

  test.each([
    [
      "a service time that is none",
      "0,1\n1,x\n",
      {},
      'Cannot read line 2 of calls.csv: "x" as column 2 is no number from 0',
    ],
    ["one below 0", "at,took\n0,-1\n", {}, 'Cannot read line 2 of calls.csv: "-1" as took is no number from 0'],
    ["one that is missing", "at,took\n0,1\n1\n", {}, 'Cannot read line 3 of calls.csv: "" as took is no number from 0'],
    [
      "a trace without service times",
      "0\n1\n",
      {},
      "Cannot simulate calls.csv: it does not say how long calls take; add a second column of seconds, or --service 1s",
    ],
    [
      "a column that is not there",
      "at,took\n0,1\n",
      { service: "2*Tokens" },
      "Cannot find the column Tokens of --service in calls.csv: its header is at,took",
    ],
    [
      "a column without a header",
      "0,1\n",
      { service: "2*Tokens" },
      "Cannot find the column Tokens of --service in calls.csv: it has no header",
    ],
  ])("%s", (_, text, given, message) => {
    expect(() => read(text, given)).toThrow(new TypeError(message));
  });
});

test("a hundred thousand lines are read in no time", () => {
  const text = Array.from({ length: 100_000 }, (_, at) => `${at / 100},0.5`).join("\n");
  const started = performance.now();
  expect(read(text).trace.arrivalsMs).toHaveLength(100_000);
  expect(performance.now() - started).toBeLessThan(5_000);
});
