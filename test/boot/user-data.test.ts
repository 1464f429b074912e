import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { base85, renderUserData, squeeze, type UserDataOptions } from "../../src/backends/boot/user-data.ts";
import { repository, scriptFolder } from "../harness/script-folder.ts";

const ticket = Buffer.alloc(32, 5).toString("base64url");
const options: UserDataOptions = {
  region: "eu-central-1",
  bucket: "releases",
  release: "a".repeat(64),
  addresses: ["10.0.0.5:41234"],
  fingerprint: "b".repeat(64),
  ticket,
  lifetimeMs: 3_600_000,
  noParentMs: 120_000,
  parentLostMs: 60_000,
};
const render = (over: Partial<Record<keyof UserDataOptions, unknown>> = {}) =>
  renderUserData({ ...options, ...over } as UserDataOptions);

/** The lines between a heredoc's begin and its end. */
const between = (text: string, begin: string, end: string): string =>
  text.split(`${begin}\n`)[1]?.split(`\n${end}\n`)[0] ?? "";
const parameters = (text: string) =>
  JSON.parse(between(text, "cat >boot.json <<'END'", "END")) as Record<string, unknown>;

/** The Python program in the text, unpacked by Node. */
function program(text: string): string {
  const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
  const packed = between(text, ">boot.py <<'.'", ".").replaceAll("\n", "");
  const bytes: number[] = [];
  for (const group of packed.match(/.{1,5}/g) ?? []) {
    const number = [...group.padEnd(5, "~")].reduce((sum, digit) => sum * 85 + digits.indexOf(digit), 0);
    for (let place = 3; place > 4 - group.length; place--) bytes.push(Math.floor(number / 256 ** place) % 256);
  }
  return inflateSync(Buffer.from(bytes)).toString();
}

test("user data is one plain bash script that bash can read", () => {
  const text = render();
  expect(text).toMatch(/^#!\/bin\/bash\n\{ .*sleep 3600; .* \}\n/);
  expect(text).toMatch(/^[\n\x20-\x7e]*$/);
  // The program is packed: whatever is in there is chance.
  const script = text.replace(/^(python3 -Ic .*?<<'\.'\n).*?^\.$/ms, "$1");
  expect(script.length).toBeLessThan(text.length / 2);
  expect(script).not.toMatch(/@[A-Z_]+@|^ *# /m);
  expect(execFileSync("bash", ["-n"], { input: text, encoding: "utf8" })).toBe("");
});

test("its program is boot.py, without comments and docstrings and with nothing else changed", () => {
  const source = readFileSync(join(repository, "runners/boot/boot.py"), "utf8");
  const found = program(render());
  expect(found).toBe(squeeze(source));
  const folder = scriptFolder({ "source.py": source, "found.py": found });
  const compare = `
import ast, sys
def tree(path):
    # The oldest Python that it has to run on.
    found = ast.parse(open(path).read(), feature_version=(3, 8))
    for node in ast.walk(found):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            del body[0]
    return ast.dump(found)
sys.exit(tree("source.py") != tree("found.py"))
`;
  writeFileSync(join(folder, "compare.py"), compare);
  execFileSync("python3", ["compare.py"], { cwd: folder });
});

test("its packing is that of Python, for every length", () => {
  const bytes = Buffer.from("0001fe80ff7f0a22c3bc", "hex");
  const python =
    "import base64,sys; print(*[base64.b85encode(bytes.fromhex(sys.argv[1])[:n]).decode() for n in range(11)], sep=chr(10))";
  const found = execFileSync("python3", ["-c", python, bytes.toString("hex")], { encoding: "utf8" }).split("\n");
  expect(Array.from({ length: 11 }, (_, count) => base85(bytes.subarray(0, count)))).toEqual(found.slice(0, 11));
});

test("the same options give the same text, and nothing but the options and the program is in it", () => {
  process.env["TINDERBOX_TEST_SECRET"] = "never-in-user-data";
  expect(render()).toBe(render());
  const text = render();
  const values = [...Object.values(process.env), process.cwd()].filter(
    (value) => value !== undefined && value.length > 11,
  );
  for (const value of values) expect(text + program(text)).not.toContain(value);
  expect(text.split(ticket)).toHaveLength(2);
  expect(program(text)).not.toContain(ticket);
  delete process.env["TINDERBOX_TEST_SECRET"];
});

test("every option arrives as it is", () => {
  const text = render({
    endpoint: "https://[fd00::1]:9000/s3/",
    prefix: 'it\'s "$(x)" \\ ü\u2028/',
    listen: 4_000,
    addresses: ["a.b:1", "[fd00::1]:2"],
    allowMetadata: true,
    keepForDebug: true,
    user: "runner",
  });
  expect(parameters(text)).toEqual({
    region: "eu-central-1",
    endpoint: "https://[fd00::1]:9000/s3/",
    bucket: "releases",
    prefix: 'it\'s "$(x)" \\ ü\u2028/',
    release: "a".repeat(64),
    addresses: ["a.b:1", "[fd00::1]:2"],
    fingerprint: "b".repeat(64),
    ticket,
    listen: 4_000,
    allowMetadata: true,
    keep: true,
    user: "runner",
  });
  expect(text).toMatch(/keep=1;/);
  expect(text).toMatch(/^[\n\x20-\x7e]*$/);
  expect(parameters(render())).toMatchObject({
    endpoint: null,
    prefix: "",
    listen: null,
    allowMetadata: false,
    keep: false,
    user: "tinderbox",
  });
  expect(render()).toMatch(/keep=0;/);
});

test("milliseconds become whole seconds, rounded up", () => {
  const text = render({ lifetimeMs: 1_001, noParentMs: 1, parentLostMs: 59_999.5 });
  expect(text).toMatch(/--on-active=2 [^]*sleep 2;[^]*limit=1 [^]*limit=60 /);
});

describe("user data is below EC2's limit", () => {
  test("with the longest options there are in practice", () => {
    const text = render({
      region: "ap-southeast-99",
      endpoint: `https://${"e".repeat(200)}:65535/s3`,
      bucket: "b".repeat(63),
      prefix: "p".repeat(200),
      addresses: Array.from({ length: 4 }, (_, at) => `[fd00:${"ffff:".repeat(6)}fff${at}]:65535`),
      listen: 65_535,
      lifetimeMs: 999_999_999_000,
      noParentMs: 999_999_999_000,
      parentLostMs: 999_999_999_000,
      user: "u".repeat(31),
    });
    expect(text.length).toBeLessThan(16_384);
  });

  test("or it is refused, from the first byte too much", () => {
    // Each address more takes its length and three bytes; the last is what fills it up.
    const room = 16_383 - render().length;
    const many = Math.floor((room - 10) / 205);
    const filled = (more: number) => ({
      addresses: [
        ...options.addresses,
        ...Array.from({ length: many }, () => `${"a".repeat(200)}:1`),
        `${"h".repeat(room - 205 * many - 5 + more)}:1`,
      ],
    });
    expect(render(filled(0))).toHaveLength(16_383);
    expect(() => render(filled(1))).toThrow(
      new RangeError(
        "Cannot render user data: it has 16384 bytes, less than 16384 are wanted; use a shorter prefix, endpoint or list of addresses",
      ),
    );
  });
});

describe("an option that is not as described is refused", () => {
  const wrong: [option: keyof UserDataOptions | "tiket", values: unknown[], good?: unknown[]][] = [
    [
      "region",
      ["", "EU", "eu central", "eu-central-1\n", "eu/../x", undefined],
      ["us-east-1", "cn-north-1", "us-gov-west-1"],
    ],
    [
      "endpoint",
      ["10.0.0.5:9000", "ftp://x", "http://a b", "http://user:pass@host", "http://x/?a", "http://x\n", null],
      ["http://a", "https://a.b:1/c/"],
    ],
    ["bucket", ["", "ab", "A-bucket", "a_b", "-ab", "ab-", "a/b", "a".repeat(64)], ["abc", "a.b", "a".repeat(63)]],
    ["prefix", ["a\n", "\0", "a".repeat(513), 1], ["", "a b/", "a".repeat(512)]],
    ["release", ["", "a".repeat(63), "A".repeat(64), `${"a".repeat(64)}\n`]],
    ["addresses", [[], "a:1", ["a"], ["a:b"], ["a:123456"], ["a b:1"], ["$(x):1"], [1]], [["a:1", "b:2"], ["[::1]:1"]]],
    ["fingerprint", ["", "b".repeat(65), "xyz"]],
    ["ticket", ["", "c".repeat(42), `${"c".repeat(42)}=`, 7]],
    ["listen", [0, 65_536, 1.5, "80", Number.NaN], [1, 65_535]],
    ["lifetimeMs", [0, -1, Infinity, Number.NaN, "1h", 2e12], [1, 1e12]],
    ["noParentMs", [0, Infinity, undefined], [0.5]],
    ["parentLostMs", [-5, null], [1]],
    ["allowMetadata", ["yes", 1], [true]],
    ["keepForDebug", ["no", 0], [true]],
    ["user", ["", "Root", "a b", "-x", "a".repeat(32), "x;y"], ["a", "_x-1"]],
    ["tiket", [ticket]],
  ];

  test.each(wrong)("%s", (option, values, good = []) => {
    for (const value of values) expect(() => render({ [option]: value }), String(value)).toThrow(TypeError);
    for (const value of good) expect(render({ [option]: value }), String(value)).toMatch(/^#!/);
  });

  test("with a message that says what is wanted and never shows the ticket", () => {
    const refusal = (over: Parameters<typeof render>[0]) => {
      try {
        return render(over);
      } catch (error) {
        return String(error);
      }
    };
    expect(refusal({ ticket: "not-a-ticket" })).toBe(
      "TypeError: Cannot use the ticket: 32 bytes in base64url are wanted",
    );
    expect(refusal({ region: "EU" })).toBe(
      'TypeError: Cannot use "EU" as region: something like eu-central-1 is wanted',
    );
    expect(refusal({ listen: 0 })).toBe("TypeError: Cannot use 0 as listen: a port from 1 to 65535 is wanted");
    expect(refusal({ lifetimeMs: 0 })).toBe(
      "TypeError: Cannot use 0 as lifetimeMs: a finite number of milliseconds above 0 is wanted",
    );
    expect(refusal({ addresses: [] })).toBe(
      "TypeError: Cannot use an array as addresses: at least one is wanted where the machine does not listen",
    );
  });

  test("but no address is needed where the parent dials", () => {
    expect(parameters(render({ addresses: [], listen: 4_000 }))).toMatchObject({ addresses: [], listen: 4_000 });
  });
});
