"""The only place that chooses implementations and puts the rooms together."""

from hansa.bootstrap.backup import restore_from as restore_from
from hansa.bootstrap.examples import deploy_all as deploy_all
from hansa.bootstrap.hansa import Hansa as Hansa
from hansa.bootstrap.hansa import Settings as Settings
from hansa.bootstrap.serve import serve as serve
from hansa.server.services import Services as Services
