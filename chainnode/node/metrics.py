"""Prometheus metrics, read from the node's parts when somebody asks; CometBFT's names where it has them."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chainnode.node.node import Node
from chainnode.types.block import BlockIdFlag


class NodeCollector(Collector):
    """What an operator watches."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def collect(self) -> Iterator[Metric]:
        """One family after the other."""
        yield from self._consensus()
        yield from self._traffic()
        yield from self._work()

    def _consensus(self) -> Iterator[Metric]:
        tip, replica = self._node.chain.tip, self._node.host.replica
        voters = tip.validators.validators
        missing = 0 if tip.commit is None else sum(1 for place in tip.commit.signatures if place.flag == BlockIdFlag.ABSENT)
        own = sum(one.power for one in voters if one.address == self._node.host.address)
        yield _gauge("cometbft_consensus_height", "Height of the chain.", tip.height)
        yield _gauge("cometbft_consensus_latest_block_height", "Height of the last block on disk.", tip.height)
        yield _gauge("cometbft_consensus_rounds", "Round that is under way, 0 for the first.", replica.round)
        yield _gauge("cometbft_consensus_validators", "Number of validators.", len(voters))
        yield _gauge("cometbft_consensus_validators_power", "Total voting power.", tip.validators.power_total)
        yield _gauge("cometbft_consensus_validator_power", "Voting power of this node.", own)
        yield _gauge("cometbft_consensus_missing_validators", "Validators without a signature in the last commit.", missing)
        yield _gauge(
            "cometbft_blocksync_syncing", "1 while the node catches up with its peers.", int(self._node.backend.status().is_catching_up)
        )
        yield _gauge("chainnode_last_block_time_seconds", "Time of the last block, since 1970.", tip.time_ns / 1_000_000_000)
        yield _gauge("chainnode_evidence_records", "Records in the evidence log.", self._node.chain.state.ledger.log_state().size)
        yield _gauge("chainnode_clock_off_seconds", "How far a wrong clock is ahead (below 0: behind), 0 when right.", self._clock_off_s())
        yield CounterMetricFamily("chainnode_consensus_rounds_entered", "Rounds entered since the start.", self._node.rounds_entered)
        yield CounterMetricFamily("cometbft_consensus_total_txs", "Transactions committed since the start.", self._node.txs_committed)

    def _clock_off_s(self) -> float:
        return (self._node.host.clock.off_ms or 0) / 1000

    def _traffic(self) -> Iterator[Metric]:
        network = self._node.network
        yield _gauge("cometbft_p2p_peers", "Connected peers.", len(network.connected()))
        yield CounterMetricFamily("cometbft_p2p_message_receive_bytes", "Bytes from peers.", network.totals.bytes_in)
        yield CounterMetricFamily("cometbft_p2p_message_send_bytes", "Bytes to peers.", network.totals.bytes_out)
        yield CounterMetricFamily(
            "chainnode_p2p_frames_dropped", "Messages dropped because a peer's queue was full.", network.frames_dropped
        )
        yield CounterMetricFamily("chainnode_p2p_connections_refused", "Connections refused.", network.connections_refused)
        yield CounterMetricFamily(
            "chainnode_p2p_handshakes_dropped", "Connections that made room for others in their handshake.", network.handshakes_dropped
        )

    def _work(self) -> Iterator[Metric]:
        mempool = self._node.host.replica.dissemination.mempool
        yield _gauge("cometbft_mempool_size", "Transactions that wait for a block.", mempool.txs)
        yield _gauge("cometbft_mempool_size_bytes", "Bytes of the batches that wait.", mempool.bytes)
        yield CounterMetricFamily(
            "chainnode_batches_shared_again", "Batches of this node that seemed lost and were sent once more.", mempool.counts.shared_again
        )
        yield _gauge("chainnode_host_inputs_waiting", "Inputs that wait for their step.", self._node.host.inputs_waiting)
        refused = CounterMetricFamily("chainnode_transactions_refused", "Submitted transactions that were not taken.", labels=["code"])
        for code, count in sorted(self._node.ingress.refused.items()):
            refused.add_metric([code], count)
        yield refused
        yield CounterMetricFamily("chainnode_transactions_taken", "Submitted transactions that were taken.", self._node.ingress.taken)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)
