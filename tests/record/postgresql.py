"""A PostgreSQL of our own: a cluster in a temporary folder, on a Unix socket only."""

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psycopg

from tests.conftest import MEMORY
from watchdog.record.database import Server

_PROGRAMS = Path("/usr/lib/postgresql")
_OPTIONS = "-c listen_addresses='' -c unix_socket_directories='{home}'"


class Cluster:
    """Started when made; `boss` is its superuser, `watchdog` may make schemas."""

    def __init__(self):
        found = sorted(_PROGRAMS.glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
        assert found, "no PostgreSQL: `make sandbox` installs Debian's"
        self.programs = found[-1].parent
        self.home = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
        if os.getuid() == 0:  # which it refuses to run as
            user = pwd.getpwnam("postgres")
            os.chown(self.home, user.pw_uid, user.pw_gid)
        try:
            self.run(
                "initdb", "-D", "data", "-A", "trust", "-U", "boss", "-N", "-E", "UTF8"
            )
            self.start()
            for statement in (
                "CREATE ROLE watchdog LOGIN",
                "CREATE ROLE stranger LOGIN",
                "CREATE DATABASE watchdog",
                "GRANT CREATE ON DATABASE watchdog TO watchdog",
            ):
                self.boss(statement)
        except BaseException:
            self.remove()
            raise
        self._count = itertools.count(1)

    def run(self, program, *words):
        who = ("runuser", "-u", "postgres", "--") if os.getuid() == 0 else ()
        subprocess.run(
            (*who, self.programs / program, *words),
            cwd=self.home,
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def start(self):
        options = _OPTIONS.format(home=self.home)
        self.run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")

    def stop(self, how="fast"):
        self.run("pg_ctl", "-D", "data", "-w", "-m", how, "stop")

    def remove(self):
        with suppress(subprocess.CalledProcessError):
            self.stop("immediate")
        shutil.rmtree(self.home)

    @property
    def postmaster(self):
        return int((self.home / "data/postmaster.pid").read_text().split()[0])

    def url(self, user="watchdog", database="watchdog"):
        return f"postgresql://{user}@/{database}?host={self.home}"

    def boss(self, statement, values=(), database="postgres"):
        url = self.url("boss", database)
        with psycopg.connect(url, autocommit=True) as db:
            done = db.execute(statement, values)
            return done.fetchall() if done.description else []

    def server(self, folder, schema="", lease=timedelta(seconds=15), user="watchdog"):
        """Give a place with nothing in it yet, or another machine's of *schema*."""
        name = schema or f"journal_{os.getpid()}_{next(self._count)}"
        return Server(folder, self.url(user), None, name, lease)

    def by_hand(self, server, *statements):
        """Change what is there behind the journal's back, as its owner may."""
        with psycopg.connect(server.url, autocommit=True) as db:
            db.execute(f"SET search_path = {server.schema}")
            db.execute("SET watchdog.epoch = '0'")
            db.execute("ALTER TABLE event DISABLE TRIGGER stays")
            rows = []
            for statement, *values in statements:
                done = db.execute(statement.replace("?", "%s"), values)
                rows = done.fetchall() if done.description else []
            db.execute("ALTER TABLE event ENABLE TRIGGER stays")
            return rows

    def hang_up(self):
        """End every connection of the watchdog's, as a server that restarts does."""
        self.boss(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'rollback-watchdog'"
        )
