"""Other people's programs, fetched once into build/peers by their registries' ordinary clients."""
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from suite import PEERS, ROOT

KAFKA_BROKER, KAFKA_TOOLS, LOG4J = "4.4.0", "4.3.1", "2.25.3"


def _call(*command, **named):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, **named)
    if done.returncode:
        sys.exit(f"interop: {' '.join(map(str, command))} failed:\n{(done.stdout + done.stderr)[-3000:]}")


def _need(program, package):
    if not shutil.which(program):
        sys.exit(f"interop: {program} is missing; hint: apt-get install {package}")


def _made(folder, what):
    """True when the folder was made for just this."""
    stamp = folder / ".made"
    return stamp.exists() and stamp.read_text() == what


def _mark(folder, what):
    (folder / ".made").write_text(what)


def python(name, *packages):
    """A virtual environment with these packages; returns its interpreter."""
    home, what = PEERS / f"python-{name}", "\n".join(packages)
    if not _made(home, what):
        shutil.rmtree(home, ignore_errors=True)
        venv.create(home, with_pip=True)
        _call(home / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages)
        _mark(home, what)
    return home / "bin" / "python"


def jars(name, *artifacts):
    """Artifacts "group:name:version" of Maven with all they need; returns the folder of their jars."""
    home, what = PEERS / f"jars-{name}", "\n".join(artifacts)
    if not _made(home, what):
        _need("mvn", "maven default-jdk-headless")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        rows = "".join("<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
                       .format(*a.split(":")) for a in artifacts)
        (home / "pom.xml").write_text("<project><modelVersion>4.0.0</modelVersion><groupId>peers</groupId>"
                                      f"<artifactId>{name}</artifactId><version>1</version><dependencies>{rows}"
                                      "</dependencies></project>")
        _call("mvn", "-q", "-B", "-f", home / "pom.xml", "dependency:copy-dependencies",
              f"-DoutputDirectory={home}", "-DincludeScope=runtime")
        _mark(home, what)
    return home


def npm(name, *packages):
    """Packages "name@version" of npm; returns the folder that holds node_modules."""
    home, what = PEERS / f"npm-{name}", "\n".join(packages)
    if not _made(home, what):
        _need("npm", "npm")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        (home / "package.json").write_text('{"private": true}')
        _call("npm", "install", "--silent", "--no-audit", "--no-fund", *packages, cwd=home)
        _mark(home, what)
    return home


def go_program(name, source, modules):
    """A Go program built with modules "path@version"; returns the binary."""
    home, what = PEERS / f"go-{name}", "\n".join(modules) + source.read_text()
    if not _made(home, what):
        _need("go", "golang-go")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        shutil.copy(source, home / "main.go")
        _call("go", "mod", "init", f"peers/{name}", cwd=home)
        for module in modules:
            _call("go", "get", module, cwd=home)
        _call("go", "mod", "tidy", cwd=home)
        _call("go", "build", "-o", name, ".", cwd=home)
        _mark(home, what)
    return home / name


def go_install(name, module):
    """A program that is a Go module "path@version" of its own; returns the binary."""
    home = PEERS / f"go-{name}"
    if not _made(home, module):
        _need("go", "golang-go")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        _call("go", "install", module, env={**os.environ, "GOBIN": str(home)})
        _mark(home, module)
    return home / name


def _log4j():
    return [f"org.apache.logging.log4j:{a}:{LOG4J}" for a in ("log4j-slf4j-impl", "log4j-core")]


def kafka_tools():
    names = ("kafka-tools", "kafka_2.13", "kafka-clients", "connect-runtime", "connect-file", "kafka-streams")
    return jars("kafka-tools", *[f"org.apache.kafka:{n}:{KAFKA_TOOLS}" for n in names], *_log4j())


def kafka_broker():
    return jars("kafka", *[f"org.apache.kafka:{n}:{KAFKA_BROKER}" for n in ("kafka_2.13", "kafka-clients")], *_log4j())


def librdkafka_tests():
    """librdkafka's test programs, built from Debian's source package; returns the source folder."""
    home = PEERS / "librdkafka"
    if _made(home, "1"):
        return home
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as temporary:
        tmp = Path(temporary)
        (tmp / "lists/partial").mkdir(parents=True)
        (tmp / "parts").mkdir()
        for found in Path("/etc/apt/sources.list.d").glob("*.sources"):
            text = "\n".join("Types: deb-src" if line.startswith("Types:") else line
                             for line in found.read_text().splitlines())
            (tmp / "parts" / found.name).write_text(text + "\n")
        main = Path("/etc/apt/sources.list")
        if main.exists():
            (tmp / "parts/main.list").write_text("".join(
                line.replace("deb ", "deb-src ", 1) + "\n" for line in main.read_text().splitlines()
                if line.startswith("deb ")))
        apt = ["apt-get", "-qq", "-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={tmp}/parts",
               "-o", f"Dir::State::lists={tmp}/lists", "-o", "APT::Sandbox::User=root"]
        _call(*apt, "update")
        _call(*apt, "source", "--download-only", "librdkafka", cwd=tmp)
        _call("tar", "-xf", next(tmp.glob("librdkafka_*.orig.tar.gz")), "-C", home, "--strip-components=1")
    _call("./configure", cwd=home)
    _call("make", "-j2", "libs", cwd=home)
    _call("make", "-C", "tests", "-j2", "build", cwd=home)
    _mark(home, "1")
    return home
