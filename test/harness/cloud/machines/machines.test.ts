import { existsSync, readdirSync } from "node:fs";
import { homedir, networkInterfaces } from "node:os";
import { type AddressInfo, createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { repository } from "../../script-folder.ts";
import { until } from "../../until.ts";
import { machinesAvailable } from "./available.ts";
import { command } from "./command.ts";
import { launch, order, output, said } from "./lab.ts";
import { type Machines, startMachines } from "./machines.ts";

const processes = (text: string) => text.split("\n").filter((line) => line !== "");

describe.skipIf(!(await machinesAvailable()))("a machine", () => {
  let machines: Machines;
  beforeAll(async () => {
    machines = await startMachines();
  });
  afterAll(() => machines.close());

  test("runs its user data as root and powers itself off", async () => {
    const text = await output(machines, "id -un; pwd; echo $0; echo ${HOME-homeless}; readlink /proc/self/fd/0");
    expect(text.split("\n")).toEqual([
      "root",
      "/",
      "/var/lib/cloud/instance/scripts/part-001",
      "homeless",
      "/dev/null",
    ]);
  });

  test("has a host name, an address and an uptime of its own", async () => {
    const wanted = order(machines);
    const lines = "hostname; cat /etc/hostname; ip -4 -o addr show eth0 | awk '{print $4}'; cut -d. -f1 /proc/uptime";
    const text = await output(machines, lines, { privateIp: wanted.privateIp });
    const name = `ip-${wanted.privateIp.replaceAll(".", "-")}`;
    const [first, second, address, uptime] = text.split("\n");
    expect([first, second, address]).toEqual([name, name, `${wanted.privateIp}/16`]);
    expect(Number(uptime)).toBeLessThan(10);
  });

  test("sees no process but its own", async () => {
    const text = await output(machines, "ps -eo pid=,comm=; readlink /proc/1/exe");
    expect(processes(text).map((line) => line.trim().replace(/^\d+ /, ""))).toEqual([
      "python3",
      "part-001",
      "ps",
      expect.stringContaining("python3"),
    ]);
  });

  test("sees nothing of the host's projects, users, temporary files, keys and programs", async () => {
    const paths = [repository, homedir(), process.execPath, process.env["TMPDIR"] ?? "", import.meta.filename];
    const script = [
      ...paths.filter((path) => path !== "/root").map((path) => `ls -d '${path}' 2>/dev/null`),
      "ls -A /root /home/* /tmp /opt /srv /mnt /var/tmp /usr/local/bin",
      "cut -d: -f1 /etc/passwd | tr '\\n' ' '",
      "command -v node; command -v systemd-run; ls -d /run/systemd /etc/ssl/private",
      "grep -c -e tinderbox -e vitest /proc/mounts",
    ].join("\n");
    const text = await output(machines, `{\n${script}\n} 2>/dev/null`);
    expect(
      text
        .replaceAll(/^\/.*:\n|\n(?=\n)/gm, "")
        .trim()
        .split("\n"),
    ).toEqual(["root daemon bin sys mail www-data admin nobody 0"]);
  });

  test("has what a boot script needs", async () => {
    const names = "bash sh python3 ip tar gzip useradd setpriv setsid awk sed grep find mount sha256sum timeout su";
    const script = `for name in ${names}; do command -v $name >/dev/null || echo missing $name; done
      useradd --system --create-home worker && setpriv --reuid=worker --regid=worker --clear-groups id -un
      python3 -c 'import ssl, json, tarfile, hashlib; print(len(ssl.create_default_context().get_ca_certs()) > 50)'
      tar -C /etc -c passwd | gzip | tar -C /opt -xz && ls /opt
      touch /usr/file 2>/dev/null || echo read-only
      for d in /run /tmp /var /opt /home /etc /root; do touch $d/file || echo $d; done`;
    expect(await output(machines, script)).toBe("worker\nTrue\npasswd\nread-only");
  });

  test("cannot do to the host what a real one could not do to its neighbours", async () => {
    const script = `date -s @0 >/dev/null 2>&1 && echo clock
      mknod /tmp/disk b 8 0 2>/dev/null && echo disk
      { echo 1 > /proc/sys/kernel/panic; } 2>/dev/null && echo settings
      echo 1 > /proc/sys/net/ipv4/ip_forward && echo own network
      ls /sys/class/net | tr '\\n' ' '`;
    expect(await output(machines, script)).toMatch(/^own network\neth0 lo ?$/);
  });

  test.each(["poweroff", "halt", "shutdown -h now", "shutdown now", "systemctl poweroff", "poweroff -f", "halt -f"])(
    "ends by %s",
    async (line) => {
      const machine = await launch(machines, `echo last words\n${line}`);
      expect(await machine.ended).toBe("poweroff");
      expect(machine.console()).toContain("last words\n");
      expect(await machine.pids()).toEqual([]);
    },
  );

  test("gives its processes a chance to end at power-off, and no more than that", async () => {
    const machine = await launch(
      machines,
      "(trap 'echo heard >/dev/console; exit' TERM; echo ready >/run/fifo; while :; do sleep 0.01; done) &\n" +
        "(trap '' TERM; while :; do sleep 0.1; done) &\nuntil [ -e /run/fifo ]; do sleep 0.01; done\npoweroff",
    );
    expect(await machine.ended).toBe("poweroff");
    expect(machine.console()).toContain("heard\n");
  });

  test("is not powered off by who is not root", async () => {
    const text = await output(machines, "setpriv --reuid=33 poweroff 2>&1; setpriv --reuid=33 poweroff -f 2>&1");
    expect(text).toBe(
      "Failed to poweroff: Interactive authentication required.\nFailed to poweroff: Operation not permitted",
    );
  });

  test("has no systemd, and says so as systemctl does", async () => {
    expect(await output(machines, "systemctl start x 2>&1; echo $?; test -d /run/systemd/system || echo none")).toBe(
      "System has not been booted with systemd as init system (PID 1). Can't operate.\nFailed to connect to bus: Host is down\n1\nnone",
    );
  });

  test("collects the orphans that end in it", async () => {
    const script = `for n in 1 2 3 4 5; do (setsid sh -c 'exec true' &) ; done
      until [ "$(ps -eo stat= | grep -c Z)" = 0 ] && [ "$(ps -eo comm= | grep -c true)" = 0 ]; do sleep 0.02; done; echo none`;
    expect(await output(machines, script)).toBe("none");
  });

  test("is ended with all that detached itself", async () => {
    const machine = await launch(
      machines,
      "setsid sh -c 'trap \"\" TERM HUP; sleep 1000' & disown; sleep 1000 & echo '<<up'; echo '>>'; wait",
    );
    await said(machine, "up");
    const pids = await until("all of them", async () => {
      const found = await machine.pids();
      return found.length >= 4 && found;
    });
    await machine.kill();
    expect(await machine.ended).toBe("killed");
    expect(pids.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
    await machine.kill();
  });

  test("shows its processes by the ids that they have here", async () => {
    const machine = await launch(machines, "exec sleep 1000");
    const names = async () =>
      Promise.all(
        (await machine.pids()).map(async (pid) => (await command("ps", ["-o", "args=", "-p", String(pid)])).trim()),
      );
    await until("sleep", async () => (await names().catch(() => [""])).includes("sleep 1000"));
    await machine.kill();
  });

  test("keeps the last 64 KiB of its console", async () => {
    const machine = await launch(
      machines,
      "echo first; head -c 200000 /dev/zero | tr '\\0' x; echo; echo last; poweroff -f",
    );
    expect(await machine.ended).toBe("poweroff");
    expect(Buffer.byteLength(machine.console())).toBe(65_536);
    expect(machine.console()).toMatch(/x\nlast\n$/);
    expect(machine.console()).not.toContain("first");
  });

  test("shows what is written to /dev/console, to its last byte", async () => {
    const machine = await launch(
      machines,
      "echo one >/dev/console; echo two >>/dev/console; echo three | tee /dev/ttyS0; poweroff -f",
    );
    await machine.ended;
    expect(machine.console()).toContain("one\ntwo\nthree\nthree\n");
  });

  test("says on its console when its script failed", async () => {
    const machine = await launch(machines, "exit 3");
    await until("the failure", () =>
      machine.console().includes("Failed to run /var/lib/cloud/instance/scripts/part-001: exit code 3"),
    );
    await machine.kill();
  });

  test("has no more memory than ordered", async ({ skip }) => {
    if (!machines.limited) {
      console.warn("SKIPPED: no cgroups can be made here");
      skip("no cgroups can be made here");
    }
    const hog = "python3 -c 'x = bytearray(400 << 20)'; echo $?";
    expect(await output(machines, hog, { memoryMb: 128 })).toContain("137");
    expect(await output(machines, hog, { memoryMb: 1024 })).toBe("0");
  });

  test("reaches the process that started it, and is reached", async () => {
    const server = createServer((socket) => socket.end("hello from the parent\n"));
    await new Promise<void>((resolve) => server.listen(0, machines.parentAddress, resolve));
    const local = createServer((socket) => socket.end("hello from 127.0.0.1\n"));
    await new Promise<void>((resolve) => local.listen(0, "127.0.0.1", resolve));
    const { port } = local.address() as AddressInfo;
    await machines.publish(port);
    const read = (at: number) => `cat </dev/tcp/${machines.parentAddress}/${at}`;
    const text = await output(machines, `${read((server.address() as AddressInfo).port)}\n${read(port)}`);
    expect(text).toBe("hello from the parent\nhello from 127.0.0.1");
    server.close();
    local.close();
    const wanted = order(machines, {
      userData: "#!/bin/sh\npython3 -m http.server 8000 --directory /etc --bind 0.0.0.0\n",
    });
    const machine = await machines.launch(wanted);
    const page = await until("its server", async () => {
      const answer = await fetch(`http://${wanted.privateIp}:8000/hostname`).catch(() => undefined);
      return answer?.text();
    });
    expect(page.trim()).toBe(`ip-${wanted.privateIp.replaceAll(".", "-")}`);
    await machine.kill();
  });

  test("does not get out of its network", async () => {
    const server = createServer((socket) => socket.end("outside\n"));
    await new Promise<void>((resolve) => server.listen(0, resolve));
    const { port } = server.address() as AddressInfo;
    const others = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
    const outside = others.filter(({ address, family }) => family === "IPv4" && address !== machines.parentAddress);
    expect(outside.length).toBeGreaterThan(0);
    const read = (address: string) => `timeout 0.5 bash -c "cat </dev/tcp/${address}/${port}"`;
    const text = await output(
      machines,
      [machines.parentAddress, ...outside.map(({ address }) => address)].map(read).join("\n"),
    );
    expect(text.split("\n").filter((line) => line === "outside")).toHaveLength(1);
    server.close();
  });

  test("may have its user data compressed or encoded once more", async () => {
    const { gzipSync } = await import("node:zlib");
    const script = Buffer.from("#!/bin/sh\necho read me\npoweroff -f\n");
    for (const userData of [
      gzipSync(script),
      Buffer.from(script.toString("base64")),
      Buffer.from(gzipSync(script).toString("base64")),
    ]) {
      const machine = await machines.launch(order(machines, { userData }));
      expect(await machine.ended).toBe("poweroff");
      expect(machine.console()).toContain("read me\n");
    }
  });

  test.each([
    ["#cloud-config\nruncmd: [poweroff]\n", "REFUSED: user data of the kind '#cloud-config'"],
    ["poweroff\n", "WARNING: Unhandled non-multipart (text/x-not-multipart) userdata: 'poweroff'"],
    ["", "no user data"],
  ])("does not run %j, and says so", async (userData, says) => {
    const machine = await machines.launch(order(machines, { userData }));
    await until(says, () => machine.console().includes(says));
    expect(await machine.pids()).toHaveLength(1);
    await machine.kill();
  });

  test("is refused when its address is used or is not of the network", async () => {
    const one = order(machines);
    const machine = await machines.launch(one);
    await expect(machines.launch({ ...order(machines), privateIp: one.privateIp })).rejects.toThrow(
      /Cannot launch i-.*is in use/,
    );
    for (const privateIp of ["10.1.2.3", machines.parentAddress, machines.subnet.replace(".0/16", ".1")])
      await expect(machines.launch({ ...order(machines), privateIp })).rejects.toThrow(
        /is not one of the free addresses/,
      );
    await expect(machines.launch({ ...order(machines), id: one.id })).rejects.toThrow(/there is a machine of that id/);
    await machine.kill();
  });

  test("boots nine others beside it at once", async () => {
    const started = performance.now();
    const all = await Promise.all(Array.from({ length: 10 }, () => launch(machines, "hostname\npoweroff")));
    expect(await Promise.all(all.map(({ ended }) => ended))).toEqual(all.map(() => "poweroff"));
    expect(new Set(all.map((machine) => /^ip-.*$/m.exec(machine.console())?.[0])).size).toBe(10);
    expect(performance.now() - started).toBeLessThan(15_000);
  });

  test("leaves nothing in the host's network and file systems", async () => {
    const routes = await command("ip", ["route"]);
    expect(routes.split("\n").filter((line) => line.includes("169.254"))).toEqual([]);
    expect(routes.split("\n").filter((line) => line.startsWith(machines.subnet))).toHaveLength(1);
    expect(readdirSync("/dev/shm").filter((name) => /skeleton|machines/.test(name))).toEqual([]);
  });
});
