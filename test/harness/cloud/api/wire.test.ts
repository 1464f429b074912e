import { describe, expect, test } from "vitest";
import { filtered } from "./actions/filters.ts";
import { pageOf } from "./actions/paging.ts";
import { RunInstances$ } from "./checks/sdk.ts";
import { Notes, validateAnswer } from "./checks/validate.ts";
import { answerXml } from "./wire/answer.ts";
import { decodeForm, parseForm } from "./wire/form.ts";
import { operationOf } from "./wire/model.ts";
import { Principals } from "./wire/principals.ts";

/** An operation as the SDK writes one: a list of structures, a number that must be there, a date, a flag. */
const item = [3, "ns", "Item", 0, ["Name"], [[0, { ec2QueryName: "Name", xmlName: "name" }]]];
const items = [1, "ns", "Items", 0, [() => item, { xmlName: "item" }]];
const members = [
  1,
  [() => items, { ec2QueryName: "Item", xmlName: "itemSet" }],
  [4, { xmlName: "at" }],
  [2, { xmlName: "isOn" }],
];
const both = [3, "ns", "Both", 0, ["Count", "Items", "At", "IsOn"], members, 1];
const operation = operationOf([9, "ns", "Try", 0, () => both, () => both]);
const decode = (body: string) => decodeForm(operation.input, parseForm(body));

describe("a form", () => {
  test("is read by the names and types of the model", () => {
    expect(
      decode("Action=Try&Version=1&Count=3&Item.2.Name=b&Item.1.Name=a&At=2025-01-02T03:04:05Z&IsOn=false"),
    ).toEqual({
      Count: 3,
      Items: [{ Name: "a" }, { Name: "b" }],
      At: new Date("2025-01-02T03:04:05Z"),
      IsOn: false,
    });
    expect(decode("Count=1&Item.10.Name=ten&Item.9.Name=nine")).toEqual({
      Count: 1,
      Items: [{ Name: "nine" }, { Name: "ten" }],
    });
  });

  test("is escaped: a plus is a space, the rest percent and UTF-8", () => {
    expect(decode("Count=1&Item.1.Name=a+b%2Bc%26%3D%C3%BC")).toEqual({ Count: 1, Items: [{ Name: "a b+c&=ü" }] });
    expect(() => parseForm("a=%zz")).toThrow("syntax error");
  });

  test.each([
    ["Count=1&Extra=1", "UnknownParameter", "Extra"],
    ["Count=1&Item.1.Nmae=x", "UnknownParameter", "Item.1.Nmae"],
    ["Count=1&Item.0.Name=x", "UnknownParameter", "Item.0"],
    ["Count=1&Item.1=x", "UnknownParameter", "Item.1"],
    ["Count=1&Item=x", "UnknownParameter", "Item"],
    ["Count.1=1", "UnknownParameter", "Count.1"],
    ["Items.1.Name=x&Count=1", "UnknownParameter", "Items"],
    ["Item.1.Name=x", "MissingParameter", "Count"],
    ["Count=", "InvalidParameterValue", "Count"],
    ["Count=1x", "InvalidParameterValue", "Count"],
    ["Count=1&IsOn=1", "InvalidParameterValue", "IsOn"],
    ["Count=1&At=yesterday", "InvalidParameterValue", "At"],
  ])("%s is refused with %s of %s", (body, name, path) => {
    expect(() => decode(body)).toThrow(expect.objectContaining({ name, message: expect.stringContaining(` ${path}`) }));
  });
});

describe("an answer", () => {
  test("is written by the names and types of the model", () => {
    const result = { Count: 2, Items: [{ Name: '<a> & "b"' }, {}], At: new Date(0), IsOn: true };
    expect(answerXml(operation, result, "id")).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n<TryResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">' +
        "<requestId>id</requestId><Count>2</Count><itemSet><item><name>&lt;a&gt; &amp; &quot;b&quot;</name></item>" +
        "<item></item></itemSet><at>1970-01-01T00:00:00.000Z</at><isOn>true</isOn></TryResponse>",
    );
  });

  test.each([
    [{ Count: 1, Extra: 1 }, "Try.Extra is not in the model"],
    [{ Count: 1, Items: [{ Nmae: "x" }] }, "Try.Items[0].Nmae is not in the model"],
    [{}, "Try.Count is missing"],
    [{ Count: "1" }, "Try.Count is not a number"],
    [{ Count: 1, Items: {} }, "Try.Items is not a list"],
    [{ Count: 1, Items: ["x"] }, "Try.Items[0] is not an object"],
    [{ Count: 1, At: "now" }, "Try.At is not a Date"],
  ])("%j is no answer: %s", (result, message) => {
    expect(() => answerXml(operation, result, "id")).toThrow(message);
  });
});

describe("the validator", () => {
  const id = "<requestId>00000000-0000-0000-0000-000000000000</requestId>";
  const answer = (inside: string) =>
    `<?xml version="1.0"?>\n<RunInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">${inside}</RunInstancesResponse>`;
  const validate = (xml: string, output: object) => {
    const notes = new Notes();
    validateAnswer("RunInstances", xml, { $metadata: {}, ...output }, notes);
    return [...notes.problems];
  };
  const instance = (inside: string) => answer(`${id}<instancesSet><item>${inside}</item></instancesSet>`);

  test("finds nothing wrong with a right answer", () => {
    const output = { ReservationId: "r-1", Instances: [{ AmiLaunchIndex: 0 }] };
    const xml = answer(
      `${id}<reservationId>r-1</reservationId><instancesSet><item><amiLaunchIndex>0</amiLaunchIndex></item></instancesSet>`,
    );
    expect(validate(xml, output)).toEqual([]);
    expect(operationOf(RunInstances$).name).toBe("RunInstances");
  });

  test.each<[string, object, string]>([
    [answer(`${id}<extra/>`), {}, "RunInstances has the unknown element extra"],
    [answer(`${id}<reservationId>r-1</reservationId>`), {}, "the SDK does not see RunInstances.ReservationId"],
    [
      answer(`${id}<ownerId>1</ownerId><ownerId>1</ownerId>`),
      { OwnerId: "1" },
      "RunInstances has the element ownerId more than once",
    ],
    [answer(""), {}, "RunInstances has no request id"],
    [answer(id).replace("2016-11-15/", "1999/"), {}, "RunInstances has another namespace"],
    [answer(id).replaceAll("RunInstances", "Describe"), {}, "RunInstances answers DescribeResponse"],
    [
      instance("<amiLaunchIndex>x</amiLaunchIndex>"),
      { Instances: [{ AmiLaunchIndex: 0 }] },
      "RunInstances.Instances[].AmiLaunchIndex is no number: x",
    ],
    [
      instance("<launchTime>now</launchTime>"),
      { Instances: [{ LaunchTime: 1 }] },
      "RunInstances.Instances[].LaunchTime is no timestamp: now",
    ],
    [
      instance("<ebsOptimized>1</ebsOptimized>"),
      { Instances: [{ EbsOptimized: true }] },
      "RunInstances.Instances[].EbsOptimized is no boolean: 1",
    ],
    [
      instance("").replaceAll("item>", "member>"),
      { Instances: [{}] },
      "an item of RunInstances.Instances is called member",
    ],
    [instance(""), { Instances: [] }, "the SDK sees another number of items of RunInstances.Instances"],
  ])("%s is wrong", (xml, output, problem) => {
    expect(validate(xml, output)).toContain(problem);
  });
});

test("a policy names actions with wildcards, in any case, and EC2's also without their service", () => {
  const principals = new Principals("123456789012", Date.now);
  const may = (pattern: string, action: string) => {
    const { accessKeyId } = principals.add("somebody", { actions: [pattern] });
    return principals.of(accessKeyId)?.may(action);
  };
  expect(may("*", "iam:PassRole")).toBe(true);
  expect(may("ec2:*", "ec2:RunInstances")).toBe(true);
  expect(may("ec2:*", "iam:PassRole")).toBe(false);
  expect(may("RunInstances", "ec2:RunInstances")).toBe(true);
  expect(may("EC2:describe*", "ec2:DescribeInstances")).toBe(true);
  expect(may("ec2:DescribeInstance?", "ec2:DescribeInstances")).toBe(true);
  expect(may("ec2:DescribeInstance", "ec2:DescribeInstances")).toBe(false);
  expect(may("ec2:Instances", "ec2:DescribeInstances")).toBe(false);
  expect(principals.add("a", { session: true }).accessKeyId).toMatch(/^ASIA/);
  expect(principals.add("a").accessKeyId).toMatch(/^AKIA/);
});

test("a filter's value is a whole text in which only wildcards are special", () => {
  const find = (value: string) =>
    filtered(["a.b", "axb", "a*b", "a.b.c", "A.B", "axxb"], [{ Name: "name", Values: [value] }], {
      name: (one) => [one],
    });
  expect(find("a.b")).toEqual(["a.b"]);
  expect(find("a?b")).toEqual(["a.b", "axb", "a*b"]);
  expect(find("a\\*b")).toEqual(["a*b"]);
  expect(find("a*")).toEqual(["a.b", "axb", "a*b", "a.b.c", "axxb"]);
  expect(find("(")).toEqual([]);
  expect(() => filtered([], [{ Name: "toString", Values: ["x"] }], {})).toThrow("'toString' is invalid");
  expect(() => filtered([], [{ Name: "name", Values: [] }], { name: () => [] })).toThrow("has no values");
});

test("a page begins where the one before ended, also when its first item is gone", () => {
  const place = (one: number) => one;
  const limits = { min: 1, max: 3 };
  const first = pageOf([1, 2, 3, 4, 5], { MaxResults: 2 }, limits, place);
  expect(first.items).toEqual([1, 2]);
  const { NextToken = "" } = first;
  expect(pageOf([1, 2, 3, 4, 5], { NextToken }, limits, place).items).toEqual([3, 4, 5]);
  expect(pageOf([2, 4, 5], { NextToken, MaxResults: 2 }, limits, place)).toEqual({ items: [4, 5] });
  expect(pageOf([1, 2, 3, 4], {}, limits).items).toEqual([1, 2, 3]);
});
