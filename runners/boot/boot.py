"""
Boots a machine: from nothing but its user data to a running machine process, as root, once.

It fetches the release by the credentials of the instance's role, unpacks what it has verified, and starts the machine
process as a user without rights. Any failure is one line on the console and an exit code other than 0, for which the
user data powers off. Python 3.8 and its standard library, because cloud-init brings those.

Small, because user data is limited to 16 KB: the renderer drops comments and docstrings and packs the rest. It expects
docstrings to begin a line, comments to be lines of their own, and no other string to go over a line's end.
"""

import ctypes, gzip, hashlib, hmac, http.client, io, json, os, pwd, queue, random, re, resource, shutil, signal, socket
import ssl, stat, subprocess, sys, tarfile, threading, time, urllib.parse
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

RUN, STATE, OPT = "/run/tinderbox", "/var/lib/tinderbox", "/opt/tinderbox"
BAKED = "/var/cache/tinderbox/layers"
NODE = OPT + "/node/bin/node"
METADATA = "169.254.169.254", "fd00:ec2::254"
SYSTEM = re.compile(r"/(usr|etc|s?bin|lib[^/]*|proc|sys|dev|run|boot|var/lib/(tinderbox|cloud)|home/tinderbox)(/|$)")
MIB = 1 << 20
# What the kernel calls the process namespace that is not a container's.
KERNEL = os.readlink("/proc/self/ns/pid") == "pid:[4026531836]"


class Refusal(Exception):
    """What another try would not mend. Its message is for people."""

    again = False


class Again(Refusal):
    """What another try may mend."""

    again = True


NETWORK = OSError, http.client.HTTPException, Again


# Console and helpers


times, step = {}, "reading the user data"


def uptime():
    with open("/proc/uptime") as file:
        return round(float(file.read().split()[0]), 2)


def say(text):
    line = "tinderbox boot: %s\n" % "".join(c if c.isprintable() else "?" for c in text)[:1500]
    try:
        os.write(1, line.encode("utf-8", "replace"))
    except OSError:
        # Nobody reads the console. The machine boots all the same.
        pass


def reached(phase):
    times[phase] = uptime()
    say("%s %.2f" % (phase, times[phase]))


def doing(text):
    """Says what is being done: for the message of a failure, and for the watcher when it turns the machine off."""
    global step
    step = text
    write(RUN + "/step", text)


def write(path, text, mode=0o644):
    with open(path, "w") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)


def tune(path, value):
    """For what is good to have: not each kernel knows it or allows it."""
    try:
        with open(path, "w") as file:
            file.write(value)
    except OSError:
        pass


def run(command, **options):
    """Its exit code and what it printed. Raises OSError or SubprocessError when it does not run or not end."""
    pipes = dict(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    made = subprocess.run(command, timeout=60, **pipes, **options)
    return made.returncode, made.stdout.decode("utf-8", "replace").strip()[:300]


def describe(error):
    if isinstance(error, Refusal):
        return str(error)
    full = "; give the machine a larger disk" if getattr(error, "errno", 0) == 28 else ""
    return "%s %s%s" % (type(error).__name__, error, full)


def seconds(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()


# The instance's metadata service, version 2


class Metadata:
    host = role = token = None
    asked = 0
    lock = threading.Lock()

    def ask(self, method, host, path, name, value):
        connection = http.client.HTTPConnection(host, 80, timeout=3)
        try:
            connection.request(method, "/latest/" + path, headers={"x-aws-ec2-metadata-token" + name: value})
            answer = connection.getresponse()
            return answer.status, answer.read(MIB).decode("utf-8", "replace")
        finally:
            connection.close()

    def begin(self):
        """The network may come up later than this, so both addresses are tried for a while."""
        end = time.monotonic() + 20
        while True:
            for host in METADATA:
                try:
                    status, token = self.ask("PUT", host, "api/token", "-ttl-seconds", "21600")
                    if status == 200:
                        self.host, self.token = host, token
                        return
                    why = "status %d" % status
                except NETWORK as error:
                    why = describe(error) if host == METADATA[0] else why
            if time.monotonic() > end:
                raise Refusal("Cannot ask the metadata service: %s; the launch template must allow it" % why)
            time.sleep(0.3)

    def get(self, path):
        """The text, or None where there is none."""
        for tries in range(6):
            try:
                status, text = self.ask("GET", self.host, path, "", self.token)
                if status in (200, 404):
                    return text if status == 200 else None
                why = "status %d" % status
                if status == 401:
                    self.begin()
            except NETWORK as error:
                why = describe(error)
            time.sleep(0.1 * 2**tries)
        raise Refusal("Cannot read %s from the metadata service: %s" % (path, why))

    def credentials(self, now, stale=None):
        """Of the instance's role. Asked for again when they soon end or are the stale ones, but not all the time."""
        with self.lock:
            fresh = self.role and self.role is not stale and self.role["ends"] - now > 120
            if not self.role or not fresh and time.monotonic() - self.asked > 0.5:
                self.role, self.asked = self.read_role(), time.monotonic()
            return self.role

    def read_role(self):
        folder = "meta-data/iam/security-credentials/"
        name = (self.get(folder) or "").split("\n")[0].strip()
        text = name and self.get(folder + name)
        if not text:
            raise Refusal("Cannot get credentials: the instance has no role; launch it with an instance profile")
        try:
            role = json.loads(text)
            key, secret, token = role["AccessKeyId"], role["SecretAccessKey"], role["Token"]
            return {"key": key, "secret": secret, "token": token, "ends": seconds(role["Expiration"])}
        except (ValueError, KeyError):
            code = re.search(r'"Code"\s*:\s*"(\w+)"', text)
            raise Refusal("Cannot get credentials: role %s has none, code %s" % (name, code and code[1]))


# The bucket


class Bucket:
    ahead = 0.0

    def __init__(self, config, metadata):
        self.config, self.metadata, self.name = config, metadata, config["bucket"]
        self.region = region = config["region"]
        cn = ".cn" if region.startswith("cn-") else ""
        url = urllib.parse.urlsplit(config["endpoint"] or "https://s3.%s.amazonaws.com%s" % (region, cn))
        self.host, self.base = url.netloc, url.path.rstrip("/")
        # Other servers know buckets by their path only; the certificate of AWS covers no bucket with a dot.
        if config["endpoint"] or "." in self.name:
            self.base += "/" + self.name
        else:
            self.host = self.name + "." + self.host
        self.context = ssl.create_default_context() if url.scheme == "https" else None

    def now(self):
        return time.time() + self.ahead

    def open(self, key, start, etag, role):
        """A GET without body, signed by version 4."""
        path = self.base + "/" + urllib.parse.quote(key, safe="/-_.~")
        moment, empty = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.now())), hashlib.sha256().hexdigest()
        headers = {"host": self.host, "x-amz-content-sha256": empty, "x-amz-date": moment}
        headers["x-amz-security-token"] = role["token"]
        names, lines = ";".join(headers), "".join("%s:%s\n" % pair for pair in headers.items())
        request = "\n".join(["GET", path, "", lines, names, empty])
        scope = "%s/%s/s3/aws4_request" % (moment[:8], self.region)
        text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(request.encode()).hexdigest()])
        sign = ("AWS4" + role["secret"]).encode()
        for part in scope.split("/") + [text]:
            sign = hmac.new(sign, part.encode(), "sha256").digest()
        credential = "Credential=%s/%s, SignedHeaders=%s, " % (role["key"], scope, names)
        headers["authorization"] = "AWS4-HMAC-SHA256 " + credential + "Signature=" + sign.hex()
        if start:
            headers["range"] = "bytes=%d-" % start
            headers["if-match"] = etag
        if self.context:
            connection = http.client.HTTPSConnection(self.host, timeout=20, context=self.context)
        else:
            connection = http.client.HTTPConnection(self.host, timeout=20)
        try:
            connection.request("GET", path, headers=headers)
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise

    def judge(self, answer, role, denied):
        """What an answer without the object means."""
        text = answer.read(65536).decode("utf-8", "replace")
        code, message = (re.search("<%s>([^<]*)</" % tag, text) for tag in ("Code", "Message"))
        code = code[1] if code else ""
        why = "status %d %s" % (answer.status, code + (message and " (%s)" % message[1][:300] or ""))
        if code == "RequestTimeTooSkewed":
            self.ahead = parsedate_to_datetime(answer.headers["date"]).timestamp() - time.time()
        elif answer.status in (400, 403) and denied < 6:
            # New credentials are not known everywhere at once, old ones may have ended.
            self.metadata.credentials(self.now(), role)
        elif answer.status < 500 and answer.status not in (408, 412, 416, 429):
            where = answer.headers["x-amz-bucket-region"]
            raise Refusal(why + ("; the bucket is in " + where if where else ""))
        raise Again(why)

    def fetch(self, key, file, most, least=0):
        """Writes an object into an empty file, and gives its SHA-256. Goes on where an answer was cut off."""
        done = tries = denied = mark = 0
        digest, etag = hashlib.sha256(), None
        while True:
            try:
                role = self.metadata.credentials(self.now())
                connection, answer = self.open(key, done, etag, role)
                try:
                    part = answer.status == 206 and answer.headers["content-range"].startswith("bytes %d-" % done)
                    if answer.status in (200, 206, 412, 416) and not part:
                        done, digest = 0, hashlib.sha256()
                    if answer.status != 200 and not part:
                        denied += 1
                        self.judge(answer, role, denied)
                    etag = answer.headers["etag"]
                    size = done + int(answer.headers["content-length"])
                    if not least <= size <= most:
                        raise Refusal("it has %d bytes, %d are wanted" % (size, most))
                    file.seek(done)
                    file.truncate()
                    while done < size:
                        piece = answer.read(min(MIB, size - done))
                        if not piece:
                            raise Again("the answer ended after %d of %d bytes" % (done, size))
                        store(file, piece)
                        digest.update(piece)
                        done += len(piece)
                    return digest.hexdigest()
                finally:
                    connection.close()
            except NETWORK + (ValueError, TypeError, Refusal) as error:
                # The number of tries counts from the last that brought something.
                tries = 1 if done - mark >= MIB else tries + 1
                mark = done
                final = isinstance(error, ssl.SSLCertVerificationError) or getattr(error, "again", True) is False
                if final or tries > 8:
                    why = "%s (try %d)" % (describe(error), tries)
                    raise Refusal("Cannot fetch %s from bucket %s: %s" % (key, self.name, why))
                time.sleep(min(5, 0.1 * 2**tries) * random.uniform(0.5, 1))


def store(file, piece):
    """A write. That it fails is final, unlike a failing read of the network."""
    try:
        file.write(piece)
        file.flush()
    except OSError as error:
        raise Refusal("it cannot be written, " + describe(error))


# The release


def read_manifest(text, release):
    try:
        manifest = json.loads(text)
        machine = os.uname()
        here = "linux", {"x86_64": "x64", "aarch64": "arm64"}.get(machine.machine, machine.machine)
        there = manifest["platform"], manifest["arch"]
        if manifest["format"] != 1:
            raise Refusal("it has format %s, this version of tinderbox reads 1" % manifest["format"])
        if there != here:
            raise Refusal("it is for %s-%s, this machine is %s-%s" % (there + here))
        root = manifest["root"]
        if not re.match("/[^/\0]", root) or os.path.normpath(root) != root or root == OPT or SYSTEM.match(root):
            raise Refusal("its folder %s belongs to the system; keep the application elsewhere" % root)
        if os.path.realpath(root) != root:
            raise Refusal("its folder %s leads to %s on this machine" % (root, os.path.realpath(root)))
        inside(manifest["agent"])
        for layer in manifest["layers"]:
            figures = [layer[name] for name in ("bytes", "unpackedBytes", "entries")]
            if not all(type(figure) is int and figure >= 0 for figure in figures):
                raise ValueError("figures of a layer")
            if not re.match(r"[0-9a-f]{64}\Z", layer["sha256"]):
                raise ValueError("hash of a layer")
            if layer["path"] != root and not re.match(OPT + r"/[\w-]+\Z", layer["path"]):
                raise Refusal("its layer %s may not be unpacked to %s" % (layer["name"], layer["path"]))
        return manifest
    except (ValueError, KeyError, TypeError, AttributeError, Refusal) as error:
        raise Refusal("Cannot use release %s: %s" % (release, describe(error)))


def inside(name):
    """The parts of a path that stays below its folder."""
    parts = [part for part in name.rstrip("/").split("/") if part != "."]
    if ".." in parts or "" in parts[:1] or "\0" in name:
        raise Refusal("its entry %r leads outside" % name)
    return [part for part in parts if part]


def make_folder(path):
    """A folder of root that everybody may pass through, with all above it. It must be empty or not there."""
    at = ""
    for name in path[1:].split("/"):
        at += "/" + name
        try:
            os.mkdir(at)
        except FileExistsError:
            os.chmod(at, stat.S_IMODE(os.stat(at).st_mode) | 1)
    if os.listdir(path):
        raise Refusal("Cannot unpack to %s: it is not empty" % path)
    os.chown(path, 0, 0)
    os.chmod(path, 0o755)


class Bounded:
    """An archive's bytes, of which no more may come than was announced."""

    def __init__(self, raw, most):
        self.raw, self.left = raw, most

    def read(self, count):
        data = self.raw.read(count)
        self.left -= len(data)
        if self.left < 0:
            raise Refusal("it is larger than its manifest says")
        return data


class Unpacker:
    """Writes archives below one folder, and nothing anywhere else, whatever they say. All of it is root's."""

    def __init__(self, base):
        self.base, self.folders, self.files, self.links = os.path.realpath(base), {""}, set(), []

    def folder(self, parts):
        """Makes what is missing. A link on the way is refused: what is behind it is not known here."""
        for count in range(1, len(parts) + 1):
            inner = "/".join(parts[:count])
            if inner not in self.folders:
                try:
                    os.mkdir(self.base + "/" + inner)
                except FileExistsError:
                    raise Refusal("its entry %r is no folder" % inner)
                self.folders.add(inner)

    def archive(self, source, layer):
        left, entries = layer["unpackedBytes"], layer["entries"]
        with gzip.open(source) as raw:
            # Headers, padding and long names take a few blocks of each entry.
            stream = Bounded(raw, left + 8192 * (entries + 8))
            with tarfile.open(fileobj=stream, mode="r|", encoding="utf-8") as tar:
                for entry in tar:
                    tar.members = []
                    entries -= 1
                    left -= entry.size
                    if entries < 0 or left < 0:
                        raise Refusal("it holds more than its manifest says")
                    self.entry(entry, tar)
            while stream.read(MIB):
                pass

    def entry(self, entry, tar):
        parts = inside(entry.name)
        if entry.isdir():
            self.folder(parts)
            return
        name = "/".join(parts)
        path = self.base + "/" + name
        self.folder(parts[:-1])
        if os.path.lexists(path):
            raise Refusal("its entry %r is there twice" % name)
        if entry.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and entry.sparse is None:
            mode = 0o755 if entry.mode & 0o111 else 0o644
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                shutil.copyfileobj(tar.extractfile(entry), file, MIB)
            self.files.add(name)
        elif entry.issym():
            target = os.path.normpath("/".join(["."] + parts[:-1] + [entry.linkname]))
            if entry.linkname[:1] in ("/", "") or target.split("/")[0] == "..":
                raise Refusal("its link %r leads to %r" % (name, entry.linkname))
            os.symlink(entry.linkname, path)
            self.links.append(path)
        elif entry.islnk() and "/".join(inside(entry.linkname)) in self.files:
            os.link(self.base + "/" + "/".join(inside(entry.linkname)), path)
            self.files.add(name)
        else:
            raise Refusal("its entry %r is neither file nor folder nor link" % name)

    def close(self):
        """Links may lead through each other, so where they end is known only when all are there."""
        for path in self.links:
            end = os.path.realpath(path)
            if not (end + "/").startswith(self.base + "/"):
                raise Refusal("its link %s leads to %s" % (path, end))


class Release:
    """Fetches all layers at once and unpacks each when it is verified; those of one folder in their order."""

    failure = None

    def __init__(self, bucket, prefix, manifest):
        self.bucket, self.prefix, self.layers = bucket, prefix, manifest["layers"]
        self.missing, self.lock = len(self.layers), threading.Lock()
        self.ready, self.sources = [threading.Event() for _ in self.layers], {}
        self.folder = STATE + "/fetch"
        os.mkdir(self.folder, 0o700)

    def guarded(self, work, argument):
        try:
            work(argument)
        except Exception as error:
            self.failure = self.failure or describe(error)
            for event in self.ready:
                event.set()

    def baked(self, layer):
        """The layer as the image brings it, open, or None. What an image holds is believed no more than the bucket."""
        try:
            path = "%s/%s.tar.gz" % (BAKED, layer["sha256"])
            file = open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
            facts, digest = os.fstat(file.fileno()), hashlib.sha256()
            if facts.st_uid or facts.st_mode & 0o022:
                raise Refusal("others than root may write it")
            for piece in iter(lambda: file.read(MIB), b""):
                digest.update(piece)
            if digest.hexdigest() != layer["sha256"]:
                raise Refusal("its SHA-256 is " + digest.hexdigest())
            file.seek(0)
            say("layer %s is in the image" % layer["name"])
            return file
        except FileNotFoundError:
            pass
        except (OSError, Refusal) as error:
            say("layer %s of the image is not used: %s" % (layer["name"], describe(error)))

    def download(self, layer, path):
        for _ in range(2):
            with open(path, "wb") as file:
                size, wanted = layer["bytes"], layer["sha256"]
                found = self.bucket.fetch("%slayers/%s.tar.gz" % (self.prefix, wanted), file, size, size)
            if found == wanted:
                return path
        raise Refusal("Cannot use layer %s: its SHA-256 is %s" % (layer["name"], found))

    def fetch(self, index):
        layer = self.layers[index]
        # From the image it is unpacked from the very file that was verified, whatever its name leads to by then.
        self.sources[index] = self.baked(layer) or self.download(layer, "%s/%d" % (self.folder, index))
        with self.lock:
            self.missing -= 1
            if not self.missing:
                reached("fetched")
        self.ready[index].set()

    def unpack(self, base):
        unpacker = Unpacker(base)
        for index, layer in enumerate(self.layers):
            if layer["path"] == base:
                self.ready[index].wait()
                if self.failure:
                    return
                self.within(layer, unpacker.archive, self.sources[index], layer)
        self.within(layer, unpacker.close)

    def within(self, layer, work, *arguments):
        try:
            work(*arguments)
        except Exception as error:
            raise Refusal("Cannot unpack layer %s: %s" % (layer["name"], describe(error)))

    def run(self):
        bases = {layer["path"] for layer in self.layers}
        for base in bases:
            make_folder(base)
        jobs = [(self.fetch, index) for index in range(len(self.layers))] + [(self.unpack, base) for base in bases]
        threads = [threading.Thread(target=self.guarded, args=job, daemon=True) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive() and not self.failure:
                thread.join(0.05)
        if self.failure:
            raise Refusal(self.failure)
        shutil.rmtree(self.folder)


# The user without rights


def make_user(name):
    """Gives its record. Written by hand, since not every image has useradd."""
    home = "/home/" + name
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        with open("/etc/group") as groups, open("/etc/passwd") as users:
            taken = {number for line in [*groups, *users] for number in line.split(":")[2:4]}
        number = next(str(n) for n in range(990, 100, -1) if str(n) not in taken)
        both = {"#": number, "@": name, "~": home}
        for path, line in (("group", "@:x:#:"), ("passwd", "@:x:#:#::~:/bin/sh"), ("shadow", "@:!:::::::")):
            with open("/etc/" + path, "a") as file:
                file.write("".join(both.get(c, c) for c in line) + "\n")
        user = pwd.getpwnam(name)
    if user.pw_uid == 0:
        raise Refusal("Cannot run as %s: it is the superuser" % name)
    os.makedirs(home, 0o700, exist_ok=True)
    os.chown(home, user.pw_uid, user.pw_gid)
    return user


def become(user):
    os.initgroups(user.pw_name, user.pw_gid)
    os.setresgid(*[user.pw_gid] * 3)
    os.setresuid(*[user.pw_uid] * 3)


def reaches(user, host):
    """Whether the user can connect to the metadata service. Tried, because a rule can be there and not bite."""
    child = os.fork()
    if child == 0:
        try:
            become(user)
            socket.create_connection((host, 80), timeout=2)
        except OSError:
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] != 0


def hide_metadata(user):
    """Puts the metadata service, and so the machine's credentials, out of the user's reach. Or fails."""
    uid, failures = str(user.pw_uid), []
    families = [("-4", "iptables", "ip", METADATA[0]), ("-6", "ip6tables", "ip6", METADATA[1])]
    families = families[: 2 if os.path.exists("/proc/net/if_inet6") else 1]
    route = "ip %s rule add pref 10 uidrange {0}-{0} to %s prohibit".format(uid)
    nft = "nft add rule inet tinderbox out meta skuid %s %s daddr %s reject"
    tables = "%s -w -I OUTPUT -m owner --uid-owner %s -d %s -j REJECT"
    chain = "nft add chain inet tinderbox out {type\tfilter\thook\toutput\tpriority\t0;}"
    methods = [
        [route % (family, host) for family, _, _, host in families],
        ["nft add table inet tinderbox", chain] + [nft % (uid, name, host) for _, _, name, host in families],
        [tables % (program, uid, host) for _, program, _, host in families],
    ]
    for commands in methods:
        try:
            for command in commands:
                code, text = run(command.split(" "))
                if code:
                    raise Refusal(text)
            if not any(reaches(user, host) for _, _, _, host in families):
                return
            raise Refusal("has no effect")
        except (OSError, subprocess.SubprocessError, Refusal) as error:
            failures.append(commands[0].split(" ")[0] + ": " + describe(error))
    raise Refusal("Cannot keep user code from the metadata service: %s; install iproute2" % ", ".join(failures))


# The machine process


def watch_notices(metadata):
    """Writes down, for the machine process, when the market is going to take the machine back; user code may not ask."""
    if metadata.get("meta-data/instance-life-cycle") == "on-demand" or os.fork():
        return
    try:
        os.setsid()
        os.dup2(os.open("/dev/null", os.O_RDWR), 1)
        os.dup2(1, 2)
        while True:
            try:
                notice = json.loads(metadata.get("meta-data/spot/instance-action") or "{}")
                if "time" in notice:
                    write(RUN + "/notices", "spot %d\n" % seconds(notice["time"]))
            except (Refusal, ValueError):
                pass
            time.sleep(4)
    finally:
        os._exit(1)


def start_unit(command, user, folder, environment):
    """Whether systemd runs it. The end of the unit, however it comes, is the machine's end."""
    # One program that is killed for want of memory does not end the others; a fork bomb leaves room for root.
    properties = "Type=exec Restart=no NoNewPrivileges=yes LimitCORE=0 Delegate=yes OOMPolicy=continue TasksMax=80% "
    properties += "TimeoutStopSec=15 StandardOutput=journal+console StandardError=journal+console "
    properties += "LogRateLimitIntervalSec=1s LogRateLimitBurst=200 PermissionsStartOnly=yes"
    properties = properties.split()
    # As root by PermissionsStartOnly: an ExecStopPost=+ would be lost at a daemon-reload of systemd 252.
    properties += ["ExecStopPost=/bin/sh %s/ended" % RUN, "WorkingDirectory=" + folder.replace("%", "%%")]
    line = ["systemd-run", "--quiet", "--unit=tinderbox", "--uid=" + user.pw_name]
    line += ["-p" + value for value in properties] + ["--setenv=%s=%s" % pair for pair in environment.items()]
    # systemd would put a variable in the place of ${NAME}.
    code, text = run(line + [word.replace("$", "$$") for word in command])
    if code:
        say("systemd-run failed with code %d: %s; going on without a unit" % (code, text))
    else:
        write(RUN + "/keeper", run(["systemctl", "show", "-pMainPID", "tinderbox"])[1].split("=")[-1] + "\n")
    return code == 0


def restrain(user):
    """In the new process: no rights and no way to get any, no memory in files, no fork bomb that stops root."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    rooms = [hard if hard > 0 else 1 << 22]
    for name in ("pid_max", "threads-max"):
        with open("/proc/sys/kernel/" + name) as file:
            rooms.append(int(file.read()) * 4 // 5)
    resource.setrlimit(resource.RLIMIT_NPROC, (min(rooms),) * 2)
    if ctypes.CDLL(None).prctl(38, 1, 0, 0, 0):
        raise OSError("no_new_privs was refused")
    become(user)


def keep(command, user, folder, environment):
    """Without systemd: a process of root that prints what the machine process prints, and waits for its end."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        text = os.read(reading, 999).decode("utf-8", "replace")
        if text != "started":
            raise Refusal("Cannot start the machine process: " + text)
        return
    try:
        os.setsid()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        write(RUN + "/keeper", "%d\n" % os.getpid())
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: restrain(user),
        )
        tune("/proc/self/oom_score_adj", "-1000")
        os.write(writing, b"started")
        os.close(writing)
        printer = threading.Thread(target=relay, args=(process.stdout.fileno(),), daemon=True)
        printer.start()
        code = process.wait()
        printer.join(0.5)
        how = {"EXIT_CODE": "killed" if code < 0 else "exited", "EXIT_STATUS": str(abs(code))}
        os.execve("/bin/sh", ["sh", RUN + "/ended"], {**os.environ, **how})
    except Exception as error:
        os.write(writing, describe(error).encode())
    finally:
        os._exit(1)


def relay(source):
    """Prints, but not without end, and never so that the machine process waits for a slow console."""
    pieces, left, last = queue.Queue(16), 1 << 18, time.monotonic()

    def print_all():
        for piece in iter(pieces.get, b""):
            os.write(1, piece)

    printer = threading.Thread(target=print_all, daemon=True)
    printer.start()
    while True:
        data, now = os.read(source, 16384), time.monotonic()
        if not data:
            pieces.put(b"")
            printer.join()
            return
        left, last = min(1 << 18, left + (now - last) * 4096), now
        if left > len(data) and not pieces.full():
            pieces.put(data)
            left -= len(data)


def secure(keep):
    """What outlasts this program: how the machine's end and its next start are answered."""
    # A process could read the memory, and so the keys, of another of the same user.
    scope = "/proc/sys/kernel/yama/ptrace_scope"
    if KERNEL and os.path.exists(scope) and open(scope).read() == "0\n":
        tune(scope, "1")
    # A machine that comes up again has lost its timers, and its ticket is used. So it goes off, also after a panic.
    if KERNEL:
        tune("/proc/sys/kernel/panic", "10")
    if os.path.exists(STATE + "/off"):
        raise Refusal("Cannot boot: this machine was booted before, and each is used only once")
    os.makedirs(STATE, exist_ok=True)
    shutil.copy(RUN + "/off", STATE + "/off")
    line = "#!/bin/sh\ntrap '' PIPE; timeout 5 echo \"tinderbox boot: %s\"; %s\n"
    # The watcher sees to it that the machine goes off. Waiting for that here would hold up systemd's shutdown.
    over = "echo 'kept for debugging'" if keep else ": >%s/over; timeout 10 poweroff" % RUN
    write(RUN + "/ended", line % ("the machine process has ended, $EXIT_CODE $EXIT_STATUS", over))
    again = line % ("this machine was restarted", "exec sh %s/off" % STATE)
    again = again.replace("trap", "[ -e %s/armed ] && exit\ntrap" % RUN, 1)
    if os.path.isdir("/var/lib/cloud"):
        os.makedirs("/var/lib/cloud/scripts/per-boot", exist_ok=True)
        write("/var/lib/cloud/scripts/per-boot/tinderbox", again, 0o755)
    if os.path.isdir("/run/systemd/system"):
        write(STATE + "/again", again)
        unit = "[Service]\nStandardOutput=journal+console\nExecStart=/bin/sh %s/again\n" % STATE
        name, wants = "tinderbox-again.service", "/etc/systemd/system/multi-user.target.wants/"
        os.makedirs(wants, exist_ok=True)
        write(wants + "../" + name, unit)
        if not os.path.lexists(wants + name):
            os.symlink("../" + name, wants + name)


def boot(config):
    secure(config["keep"])
    user = make_user(config["user"])
    doing("asking the metadata service")
    metadata = Metadata()
    metadata.begin()
    instance = metadata.get("meta-data/instance-id")
    document, signature = (metadata.get("dynamic/instance-identity/" + name) for name in ("document", "signature"))
    if not config["allowMetadata"]:
        doing("putting the metadata service out of reach")
        hide_metadata(user)
    doing("fetching the manifest")
    bucket, release, prefix = Bucket(config, metadata), config["release"], config["prefix"]
    text = io.BytesIO()
    found = bucket.fetch("%sreleases/%s.json" % (prefix, release), text, MIB)
    if found != release:
        raise Refusal("Cannot use release %s: the SHA-256 of its manifest is %s" % (release, found))
    manifest = read_manifest(text.getvalue(), release)
    total = sum(layer["bytes"] for layer in manifest["layers"])
    doing("fetching and unpacking %d layers of %d bytes" % (len(manifest["layers"]), total))
    Release(bucket, prefix, manifest).run()
    reached("verified")
    doing("starting the machine process")
    agent = os.path.join(manifest["root"], manifest["agent"])
    if not os.path.isfile(agent):
        raise Refusal("Cannot start the machine process: the release has no %s" % agent)
    # A binary that does not run shows itself here, with a message, and not by a machine that ends at once.
    code, text = run([NODE, "--version"], env={}, preexec_fn=lambda: become(user))
    if code:
        raise Refusal("Cannot run %s: code %d, %s; pack a Node for this system" % (NODE, code, text))
    folder = RUN + "/machine"
    os.mkdir(folder, 0o700)
    times["started"] = uptime()
    parameters = {name: config[name] for name in ("addresses", "fingerprint", "ticket", "listen", "release")}
    parameters["instance"], parameters["root"], parameters["phases"] = instance, manifest["root"], times
    parameters["identity"] = {"document": document, "signature": signature} if document and signature else None
    parameters["parentFile"], parameters["noticeFile"] = RUN + "/parent", RUN + "/notices"
    path = folder + "/parameters.json"
    write(path, json.dumps(parameters), 0o600)
    for owned in (folder, path, RUN + "/parent"):
        os.chown(owned, user.pw_uid, user.pw_gid)
    os.unlink("boot.json")
    watch_notices(metadata)
    command = [NODE, agent, path]
    environment = {"PATH": OPT + "/node/bin:" + os.environ["PATH"], "LANG": "C.UTF-8", "SHELL": "/bin/sh"}
    environment.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name)
    systemd = os.path.isdir("/run/systemd/system")
    if not (systemd and start_unit(command, user, manifest["root"], environment)):
        keep(command, user, manifest["root"], environment)
    say("started %.2f" % times["started"])
    doing("running the machine process")


def main():
    times["booted"] = float(sys.argv[1])
    try:
        with open("boot.json") as file:
            boot(json.load(file))
    except Exception as error:
        why = str(error) if isinstance(error, Refusal) else "Cannot boot: " + describe(error)
        say("failed %.2f while %s: %s" % (uptime(), step, why))
        # Threads that wait for the network do not keep this process.
        os._exit(1)


if __name__ == "__main__":
    main()
