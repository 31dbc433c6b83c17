"""Apache Kafka: one broker that is its own controller (KRaft), small and quick to start."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from engines import install
from engines.process import LOOPBACK, Process, answers, free_ports

HEAP_MB: Final = 512
_CLUSTER: Final = "hansa-tests-000000000w"
_PROPERTIES: Final = """
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={host}:{controller}
controller.listener.names=CONTROLLER
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
"""


_IN_CLEAR: Final = """
listeners=PLAINTEXT://{host}:{broker},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{broker}
"""


class Kafka(Process):
    """`address` is what clients call bootstrap.servers."""

    def __init__(self, folder: Path, host: str = LOOPBACK, listeners: str = _IN_CLEAR) -> None:
        super().__init__(folder)
        self._java, self._jars = install.java(), install.kafka()
        self._host, (self._port, controller) = host, free_ports(2, host)
        self.address = f"{host}:{self._port}"
        self._properties = folder / "server.properties"
        properties = (_PROPERTIES + listeners).format(
            host=host, broker=self._port, controller=controller, folder=folder
        )
        self._properties.write_text(properties)
        new = self._program("kafka.tools.StorageTool", "format", "--standalone", "-t", _CLUSTER)
        subprocess.run([*new, "-c", str(self._properties)], capture_output=True, check=True)

    def _program(self, main: str, *arguments: str) -> list[str]:
        small = [f"-Xmx{HEAP_MB}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
        return [str(self._java), *small, quiet, "-cp", f"{self._jars}/*", main, *arguments]

    def command(self) -> list[str]:
        return self._program("kafka.Kafka", str(self._properties))

    def is_ready(self) -> bool:
        return answers(self._port, self._host)
