/** What `container()` takes, and what it says of what it does not. */
import { availableParallelism } from "node:os";
import { describe, expect, test } from "vitest";
import { type ContainerOptions, container } from "../../../src/container.ts";
import { resolveContainerOptions } from "../../../src/backends/container/options.ts";

const id = "0123456789abcdef".repeat(4);

test("nothing has to be said", () => {
  const resolved = resolveContainerOptions();
  expect(resolved).toMatchObject({
    image: "docker.io/library/debian:stable-slim",
    pids: 1024,
    user: "65534:65534",
    memory: undefined,
    cpus: undefined,
    tmp: undefined,
    mounts: [],
    windowMs: 5_000,
    parentLostMs: 60_000,
    processes: 1,
    max: availableParallelism(),
  });
});

test("its defaults for pools follow its processors", () => {
  const { max, processes, onParentLoss, remote } = container({ cpus: 2.5 }).defaults;
  expect({ max, processes, onParentLoss, remote }).toEqual({
    max: Math.max(1, Math.floor(availableParallelism() / 2.5)),
    processes: 2,
    onParentLoss: "kill",
    remote: true,
  });
  expect(container({ cpus: 0.5 }).defaults).toMatchObject({ max: availableParallelism() * 2, processes: 1 });
});

test("sizes, durations and paths are as elsewhere", () => {
  const resolved = resolveContainerOptions({
    memory: "512mb",
    tmp: 1_000,
    engine: "unix:///run/other.sock",
    reconnectWindow: "1s",
    parentLostAfter: "6s",
    mounts: [{ source: "/data/../data" }, { source: "/a", target: "/b", readOnly: false }],
    release: { id, from: "s3://bucket/tinderbox" },
  });
  expect(resolved).toMatchObject({
    memory: 512 * 1024 * 1024,
    tmp: 1_000,
    engine: "/run/other.sock",
    windowMs: 1_000,
    parentLostMs: 6_000,
    mounts: [
      { source: "/data", target: "/data", readOnly: true },
      { source: "/a", target: "/b", readOnly: false },
    ],
  });
});

const noPlaces = ["/releases", "s3://", "s3:///apps", "s3://me@bucket", "s3://bucket?x", "file:///"];

describe("limits, on both sides", () => {
  const fine: ContainerOptions[] = [
    { memory: "64mb" },
    { cpus: 0.01 },
    { pids: 64 },
    { tmp: 1 },
    { ulimits: { nofile: 0 } },
    { reconnectWindow: "10m", parentLostAfter: "11m" },
    { parentLostAfter: "10s" },
    { parentLostAfter: "24h" },
    { network: "host" },
    { labels: { tinderboxer: "1" } },
    { release: { from: "file:///releases", id } },
    { release: { from: "file:///releases" } },
  ];
  test.each(fine)("%o is fine", (options) => {
    expect(() => container(options)).not.toThrow();
  });

  const wrong: [given: unknown, message: RegExp][] = [
    [{ memmory: 1 }, /option "memmory" of container.*did you mean "memory"/],
    [{ memory: "63mb" }, /Cannot use "63mb" as option "memory" of container: a size from "64mb" is wanted/],
    [{ memory: Infinity }, /option "memory" of container: a size from "64mb"/],
    [{ memory: "much" }, /option "memory" of container: a size is/],
    [{ cpus: 0.009 }, /option "cpus" of container: a number from 0\.01 is wanted/],
    [{ cpus: Infinity }, /option "cpus"/],
    [{ cpus: "1" }, /option "cpus"/],
    [{ pids: 63 }, /option "pids" of container: a whole number from 64/],
    [{ tmp: 0 }, /option "tmp" of container: a size from "1b"/],
    [{ image: "" }, /option "image" of container: a text is wanted/],
    [{ user: 1000 }, /option "user" of container: a text is wanted/],
    [{ engine: "podman.sock" }, /option "engine" of container: an absolute path is wanted/],
    [{ engine: "tcp://localhost:2375" }, /option "engine" of container: an absolute path is wanted/],
    [{ network: "none" }, /"none" as option "network" of container: a runner has to reach this process/],
    [{ mounts: {} }, /option "mounts" of container: an array is wanted/],
    [{ mounts: [{ source: "data" }] }, /option "mounts\[0\]\.source" of container: an absolute path is wanted/],
    [{ mounts: [{ source: "/a" }, { source: "/a", target: "b" }] }, /option "mounts\[1\]\.target"/],
    [{ mounts: [{ source: "/a", readonly: true }] }, /"readonly" of mounts\[0\] of container.*"readOnly"/],
    [{ mounts: [{ source: "/a", readOnly: 1 }] }, /option "mounts\[0\]\.readOnly" of container: true or false/],
    [{ ulimits: { nofile: -1 } }, /option "ulimits\.nofile" of container: a whole number from 0/],
    [{ ulimits: { "no file": 1 } }, /option "ulimits" of container: a name such as nofile/],
    [{ labels: { team: 1 } }, /option "labels\.team" of container: a text is wanted/],
    [{ labels: { "tinderbox.owner": "me" } }, /a name that does not begin with tinderbox\./],
    [{ release: { id } }, /release\.id of container alone: name the place that it is in by release\.from/],
    [{ release: { id: "abc", from: "file:///a" } }, /option "release\.id" of container: the 64 letters and digits/],
    ...noPlaces.map((from): [unknown, RegExp] => [
      { release: { from } },
      /option "release\.from" of container: s3:\/\//,
    ]),
    [{ release: { cache: "here" } }, /option "release\.cache" of container: an absolute path/],
    [{ release: { bucket: "b" } }, /"bucket" of release of container/],
    [{ reconnectWindow: "601s", parentLostAfter: "1h" }, /option "reconnectWindow" of container: .*up to "10m"/],
    [{ parentLostAfter: "9s" }, /option "parentLostAfter" of container: reconnectWindow and 5 seconds are the least/],
    [{ parentLostAfter: "25h" }, /option "parentLostAfter" of container/],
  ];
  test.each(wrong)("%o is refused", (options, message) => {
    expect(() => container(options as ContainerOptions)).toThrow(message);
    expect(() => container(options as ContainerOptions)).toThrow(TypeError);
  });
});
