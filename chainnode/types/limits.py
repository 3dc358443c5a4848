"""Limits that each node keeps for itself. Limits that all nodes must agree on are in `ChainParams`.

Everything that can grow has a maximum here; full means drop and count, never grow (HANDBOOK, section 7).
"""

# Bytes
CODEC_DEPTH_MAX = 16  # nesting of canonical msgpack
TX_BYTES_MAX = 1024 * 1024  # one signed transaction
TX_SIGNERS_MAX = 16
TX_CALLS_MAX = 64
TX_MEMO_BYTES_MAX = 256
DID_BYTES_MAX = 57  # of BIF-RFC 002 and 003
NAME_BYTES_MAX = 64  # of a contract, a method, an event, an attribute
BATCH_BYTES_MAX = TX_BYTES_MAX + 1024  # one transaction of any length fits
BATCH_TXS_MAX = 1000
BLOCK_PART_BYTES = 64 * 1024  # CometBFT part size
BLOCK_BATCHES_MAX = 16_384  # digests in one block
BLOCK_BODY_BYTES_MAX = 1024 * 1024  # a header with so many digests and a commit; batches travel by themselves
CHAIN_ID_BYTES_MAX = 50
GENESIS_BYTES_MAX = 4 * 1024 * 1024
GENESIS_GRANTS_MAX = 10_000
ADDRESS_LENGTH_MAX = 260  # host:port
STATE_KEY_BYTES_MAX = 64  # keys of the state tree; longer user parts are hashed
STATE_VALUE_BYTES_MAX = 64 * 1024
VALIDATORS_MAX = 100

# Peers
PEERS_MAX = 128
FRAME_BYTES_MAX = 8 * 1024 * 1024
MESSAGE_ELEMENTS_MAX = 300_000  # arrays and what is in them, of one message: a reply of 16 blocks of 16,384 batches each
PEER_QUEUE_MESSAGES_MAX = 4096
PEER_QUEUE_BYTES_MAX = 64 * 1024 * 1024
HANDSHAKE_MS = 5_000
HANDSHAKES_MAX = 2 * PEERS_MAX  # connections of whom it is not known yet who they are
HANDSHAKES_SOURCE_MAX = PEERS_MAX // 2  # of those from one address; a network on one machine has room
DIAL_RETRY_MS_MAX = 5_000
DIAL_RETRY_MS_MIN = 100  # doubled after each failure
PEER_STABLE_MS = 1_000  # a connection that lasted this long counts as a success of its dial
BATCH_REQUEST_DIGESTS_MAX = 1024  # of one message
HELLO_BYTES_MAX = 4096  # each frame of the opening
PEER_KEEPALIVE_MS = 5_000  # an empty frame this often
PEER_SILENT_MS_MAX = 30_000  # nothing read, or nothing written away, for this long ends the connection
PEER_TURN_FRAMES = 64  # handled in one turn of the loop when they are there already
PEER_WRITE_BYTES = 256 * 1024  # queued frames joined into one write
STREAM_BYTES = 64 * 1024  # room of a stream for what comes; more for a frame that is longer
STREAM_AHEAD_BYTES = 256 * 1024  # room behind a long frame for the beginning of the next
STREAM_KEPT_BYTES = BATCH_BYTES_MAX + 2 * STREAM_AHEAD_BYTES  # kept for the next batch while the stream is busy
PEER_PENALTY_MAX = 100  # points; one of them fades per second
PEER_BAN_MS = 60_000

# Mempool
MEMPOOL_BYTES_MAX = 64 * 1024 * 1024
MEMPOOL_TXS_MAX = 100_000
MEMPOOL_PEER_BYTES_MAX = 48 * 1024 * 1024  # of one maker
MEMPOOL_OWN_BYTES_MAX = MEMPOOL_BYTES_MAX // 4  # of this node's clients, so that what four validators take in fits into each
MEMPOOL_OWN_TXS_MAX = 8_000  # the same, for up to twelve; the network works on what four take in for a second, and no client waits longer
MEMPOOL_DIGESTS_REMEMBERED_MAX = 65_536  # committed batches that are not proposed again
MEMPOOL_SHARE_AGAIN_MS = 2_000  # a batch of ours that is not committed by then is sent once more; doubled each time
MEMPOOL_SHARE_AGAIN_MS_MAX = 60_000
MEMPOOL_SHARE_AGAIN_BYTES_MAX = 1024 * 1024  # at one time
MEMPOOL_EXPIRY_MS = 1_000  # how often expired batches are looked for
PACK_MS = 5  # how long a busy node gathers transactions for a batch

# EVM chains and attestors: these decide results, so all nodes must agree
RLP_BYTES_MAX = 64 * 1024  # of one message that is read as RLP
RLP_DEPTH_MAX = 8  # lists within lists; the tries need 4
RLP_ITEMS_MAX = 4096
TRIE_NODES_MAX = 64  # of one proof: a key has 64 half-bytes
TRIE_NODE_BYTES_MAX = 1024  # a branch has at most 532
TRIE_PROOF_BYTES_MAX = 64 * 1024
EVM_HEADER_BYTES_MAX = 16 * 1024
EVM_HEADER_FIELDS_MAX = 32  # later forks of Ethereum add fields at the end
QBFT_VALIDATORS_MAX = 100
ATTESTORS_MAX = 100
ATTESTATION_BYTES_MAX = 16 * 1024
EVM_LOG_BLOCKS = 2_000  # in one question for logs, which nodes limit
EVM_LOG_BACK = 1_000_000  # blocks that are looked through for a state that the client there knows
EVM_GAS_PERCENT = 120  # of the gas that a node estimates
EVM_GAS_PRICE_WEI = 100_000_000_000  # the highest that the relay pays unless a setting says otherwise: 100 gwei
EVM_POLL_MS = 200  # between looks for the block of a transaction
ATTEST_RECORDS_MAX = 8192  # heights that an attestor's guard knows; the lower half goes when there are more
ATTEST_CALLS_MAX = 32  # that an attestor answers at a time
ATTEST_KEY_BYTES_MAX = 128  # of an ICS-24 key
ATTEST_FINAL_MS = 500  # how long an attestor knows what is final before it asks its chain again
ATTEST_STEPS_MAX = 256  # blocks down from the final one until one whose time rises
ATTEST_GRACE_MS = 500  # for the other attestors, once enough have said how far they are
ATTEST_CONFIRMATIONS_MAX = 1_000_000
ATTEST_ANSWER_BYTES_MAX = 64 * 1024  # of an attestor

# Consensus
ROUNDS_AHEAD_MAX = 4  # votes kept for rounds beyond ours, per validator
EQUIVOCATION_BLOCK_IDS_MAX = 3  # block ids counted per validator, round and step

# Gossip and the replica
TICK_MS = 100
GOSSIP_STATUS_MS = 200  # a node whose height is being decided says where it stands this often
GOSSIP_IDLE_STATUS_MS = 1_000  # so does one that waits for work
GOSSIP_SETTLE_MS = 100  # what is younger may still be on its way, and is not sent again
GOSSIP_ANSWER_MS = 100  # a peer's statuses are answered at most this often
VOTES_AHEAD_MAX = 10_000  # of one validator and height, for rounds far ahead of ours, written to the journal
GOSSIP_POLKA_MS = 1_000  # the prevotes that a proposal rests on are sent to a peer this often
GOSSIP_ANSWER_MESSAGES_MAX = 512  # all votes of two rounds of the largest validator set, and more
BATCH_WAIT_MS = 20  # a batch that a proposal names may be on its way for so long before it is asked for
BATCH_ASK_AGAIN_MS = 200  # then another peer is asked
BATCH_ANSWER_BYTES_MAX = 8 * 1024 * 1024  # sent to one peer within REQUESTS_MS
PROPOSED_BLOCKS_MAX = 16  # kept of a height, beside those found valid
BLOCK_ANSWERS_MAX = 64  # BlockRequests of one peer taken within REQUESTS_MS
REQUESTS_MS = 1_000
NEXT_HEIGHT_MESSAGES_MAX = 512  # of one peer, kept for the height after ours
NEXT_HEIGHT_BYTES_MAX = 4 * 1024 * 1024  # of one peer, block bytes of those

# Sync
SYNC_BLOCKS_IN_FLIGHT_MAX = 16
SYNC_REPLY_BYTES_MAX = 4 * 1024 * 1024
SYNC_REQUEST_MS = 1_500  # after so long without a reply a peer counts as free again; the reply is still taken
SYNC_RANGES_MAX = 4  # ranges asked for or waiting to be applied, each of at most SYNC_BLOCKS_IN_FLIGHT_MAX blocks
SYNC_WAITING_BYTES_MAX = 32 * 1024 * 1024  # of blocks that wait to be applied; beyond it no more are asked for
SYNC_HEDGE_MS = 500  # a range not here by then is asked of another peer too
SYNC_EMPTY_MS = 200  # how long a peer that had nothing to send is not asked
SYNC_REFUSED_MS = 60_000  # how long a peer that sent a bad block is not asked
SYNC_FAR_BLOCKS = 16  # so far behind, a node does not wait for consensus to stall
SYNC_STALLED_MS = 300  # no new height for so long, while a peer is ahead
SYNC_LACKING_MS = 5_000  # no peer has the block that we need for so long before it is told
SYNC_LACKING_TOLD_MS = 3_600_000  # and told again
SYNC_PEERS_TOLD = 8  # in words
PEERLESS_MS = 30_000  # a node that needs peers and had none for so long says that it is not ready
SYNC_RESUME_MS = 1_000  # after a synced block, being behind at all is enough to go on

# State
STATE_ROOTS_KEPT = 100  # heights at which state proofs can be made
STATE_OVERLAY_BYTES_MAX = 64 * 1024 * 1024  # replaced values kept for those proofs; fewer heights when they grow beyond it
STATE_UNDO_HEIGHTS = 4  # of those heights, how many are provable again right after a restart
RECORD_TILES_KEPT = 256  # tiles of 8 KiB that proofs of evidence have lately asked for
WARM_BYTES_MAX = 32 * 1024 * 1024  # of memory for values that were lately read or written
MEMO_ANSWERS_MAX = 16_384  # of one kind that execution keeps for the next block
PROOF_BYTES_MAX = 64 * 1024 + 2 * STATE_VALUE_BYTES_MAX  # two paths of 256 steps of about 70 bytes, and two values

# Disk
PATHS_KEPT_MAX = 32  # ways of trust to recent heights, for the bundles that are asked for next
SEGMENT_BYTES_MAX = 64 * 1024 * 1024  # a file of bodies or records is followed by another once it is as long
SEGMENT_CACHED_BYTES = 4 * 1024 * 1024  # the newest of it that the kernel keeps in memory, for peers that lag and proofs
INLINE_BYTES_MAX = 16 * 1024  # what a height has of these, when no more, stays in LevelDB, which saves a sync
PRUNE_KEYS_STEP = 64  # deletions in one write
INDEX_RUN_KEYS = 262_144  # so many entries of the index in memory, 65 bytes each, go into a run
INDEX_RUN_KEYS_PLAIN = 131_072  # the same without C, 150 bytes each
INDEX_TABLE_KEYS = 2_048  # in memory, entries of a height that has so many stay a table by themselves
INDEX_INLINE_BYTES_MAX = 64 * 1024  # what a height adds to a space of it, when no more, stays in LevelDB, which saves a sync
INDEX_PLACED_HEIGHTS_MAX = 300  # so long may segment files wait for what a space has in memory; then that makes a run, though it be small
INDEX_TAILS_MAX = 3  # so often they may be in memory; then whoever commits writes a run
INDEX_FAN_OUT = 32  # so many runs are merged into one
INDEX_SIEVE_FEW_KEYS = 16_384  # the filter of a space that has no more of them has room for these alone: many a space has few for ever
INDEX_SIEVE_KEYS = 1_048_576  # the next, in place of it, for so many, 3 bytes each; one more for twice as many
INDEX_SIEVE_LARGE_KEYS = 16_777_216  # and so on up to this; a larger one for as many as there are, so that half of all stands empty at most
INDEX_MERGE_STEP = 4 * INDEX_RUN_KEYS  # entries merged at a time, twice of what keeps up with 100 million entries
INDEX_MERGE_STEP_PLAIN = 4 * INDEX_RUN_KEYS_PLAIN  # the same without C, where it takes a second
JOURNAL_RECORD_BYTES_MAX = 16 * 1024 * 1024  # one consensus input with its block bytes
JOURNAL_KEPT_BYTES_MAX = 4 * 1024 * 1024  # of a height's journal, for the next height to write over
JOURNAL_WAITING_BYTES_MAX = 32 * 1024 * 1024  # of records that nobody has asked to sync yet; then they are written
KEY_FILE_BYTES_MAX = 64 * 1024

# Proofs
LIGHT_CLOCK_DRIFT_MS_MAX = 10_000  # how far ahead of its own clock a light client takes a header's time
PROOF_STEPS_MAX = 128  # of one path in a bundle
BUNDLE_BYTES_MAX = 16 * 1024 * 1024  # of JSON: the largest transaction and the longest trust path fit
BUNDLE_HEADERS_MAX = 64  # each step of a trust path may replace almost two thirds of the voting power
BUNDLE_LINKS_MAX = 128  # headers of another chain from the anchored one down: 36 kB, in JSON 130 kB
PROPOSALS_PER_ROUND_MAX = 3  # kept of one round; more than one shows a lying proposer

# Light clients of other chains: these decide results, so all nodes must agree
CLIENT_STATE_BYTES_MAX = 4 * 1024  # client state and consensus state of a light client, each
CLIENT_MESSAGE_BYTES_MAX = 60 * 1024  # of an update: a header with the largest validator set, twice; kept whole when it shows a conflict
CLIENT_STATES_MAX = 1024  # consensus states that a light client keeps
CLIENT_RELAYERS_MAX = 64  # DIDs that alone may bring packets by a client
CLIENT_REASON_LENGTH_MAX = 256  # characters of why a client was frozen
MERKLE_PROOF_LEVELS_MAX = 4  # trees within trees
MERKLE_PREFIX_BYTES_MAX = 64  # of one element of a chain's prefix

# Goods and receipts: these decide results, so all nodes must agree; changing one is a new version of the rules
IDENTIFIER_BYTES_MAX = 128  # of a package, an intake, a site, a receipt
TEXT_BYTES_MAX = 256  # a commodity, a reason, an endorsement
GOODS_ITEMS_MAX = 2048  # packages in one call, and in one receipt: their codes fit in one transaction
GOODS_QUANTITY_MAX = 10**15  # of one package; sums over a receipt stay below 2**63
RECEIPT_CHILDREN_MAX = 256  # of one split
RECEIPT_SOURCES_MAX = 64  # of one merge
RECEIPT_HOLDS_MAX = 16  # on one receipt at one time
RECEIPT_HOPS_MAX = 8  # chains that a receipt has behind it
RECEIPT_MOVE_BYTES_MAX = 8 * 1024  # what a packet says of a receipt
PLEDGE_AMOUNT_MAX = 10**18  # in the smallest unit of the currency
PLEDGE_PROPOSAL_MS_MAX = 30 * 24 * 3_600_000  # how long a proposal may reserve a receipt

# Execution
RESULT_DETAIL_LENGTH_MAX = 512  # characters of the sentence in a failed result
WORK_TX_MAX = 1_000_000  # of one transaction, by contracts/work.py: about a second without C. Decides results, so all nodes must agree
WORK_BLOCK_MAX = 4_000_000  # of the transactions of a block; so does this
WORK_SENDER_MAX = 3_000_000  # of those of one sender, so that no member keeps all others out; and this
WORK_STRANGERS_MAX = 500_000  # as far as those of senders without a role, and of no node, have any of it; and this
IDENTITY_KEYS_MAX = 20
DOCUMENT_LIST_MAX = 32  # services, names, attributes, controllers, … of a DID document, each
DOCUMENT_TEXT_BYTES_MAX = 1024  # of one text in a document
DID_TEXT_LENGTH_MAX = 512  # of a DID of whatever method
DID_URL_PARAMETERS_MAX = 16
RECOVERY_DELAY_MS_MIN = 3_600_000  # an hour for the controllers to object
RECOVERY_DELAY_MS_MAX = 90 * 86_400_000
CONTROL_THRESHOLD_MAX = TX_SIGNERS_MAX - 1  # so many DIDs and a sponsor can sign one transaction
IDENTITY_FACTS_BYTES_MAX = 16 * 1024  # services, names and extension of one document, encoded
DEVICES_MAX = 10_000  # DIDs registered in one call
DEVICE_FILE_KEYS_MAX = 100_000  # of devices, in one file
DEVICE_TEMPLATE_BYTES_MAX = 512  # what all of those have in common, written once for each
ISSUER_SCHEMAS_MAX = 1024  # of one issuer, each with its versions
ISSUER_LISTS_MAX = 256  # status lists of one issuer
SCHEMA_VERSIONS_MAX = 1000
STATUS_CHANGES_MAX = 1024  # entries of a status list in one call
CHAIN_ENDPOINTS_MAX = 8  # resolvers of one chain
CHAIN_ENDPOINT_LENGTH_MAX = 256
CHAIN_TTL_S_MIN = 1  # how long the answers of a chain count
CHAIN_TTL_S_MAX = 7 * 86_400
CHAIN_FORM_BYTES_MAX = 16 * 1024  # an application's form, encoded
CHAIN_FORM_LEVELS_MAX = 8  # of its JSON
CHAIN_GATEWAYS_MAX = 16  # of one kind
CHAIN_EVIDENCE_MAX = 16  # digests that one application names
CHAIN_APPLICATIONS_OPEN_MAX = 4  # of one operator
CHAINS_OF_OPERATOR_MAX = 64  # AC numbers of one operator
CHAIN_APPEALS_MAX = 64  # of one chain, decided ones included
CHAIN_APPEAL_BYTES_MAX = 4 * 1024  # of the text of an appeal
CHAIN_FEED_BYTES_MAX = 32 * 1024  # of what one report says, encoded
CHAIN_FEED_LIST_MAX = 100  # blocks, transactions, nodes or contracts in one report
CHAIN_FEED_MS_MIN = 60_000  # between two reports of one feed of a chain
CHAIN_LATE_MS = 15 * 60_000  # an anchor that is older is late: three times what Xinghuo's nodes report by
CHAIN_PAGE_MAX = 100  # chains or applications in one answer
EVIDENCE_RECORDS_MAX = 4096  # in one call
EVIDENCE_META_BYTES_MAX = 1024  # description of one record
SUPERS_MAX = 100  # DIDs that hold, or held until it expired, the role of a super node
SUPERVISORS_MAX = 64  # the same of supervision nodes; their words on one order of supervision fit in its record
FREEZE_MS_MAX = 90 * 86_400_000  # how long an order of supervision lasts at most
FREEZE_PROPOSAL_MS = 7 * 86_400_000  # how long the other supervision nodes may sign it
FREEZE_ANSWER_MS = 7 * 86_400_000  # within which an appeal is answered, or the order ends
FREEZE_APPEALS_MAX = 3  # against one order
FREEZE_APPEAL_BYTES_MAX = 1024  # text of an appeal
FREEZE_OPEN_MAX = 32  # orders of one supervision node that wait for signatures
PROPOSAL_BYTES_MAX = 16 * 1024  # arguments of a proposal
PROPOSALS_OPEN_MAX = 32  # of one super node
PROPOSAL_VOTES_MAX = 256  # on one proposal, super nodes of the past included
VALIDATOR_KEYS_MAX = 400  # keys that are or once were a validator's
OPERATOR_NODES_MAX = 16  # nodes that one operator lets connect, besides its validators

# Credentials: what this program reads of others
CREDENTIAL_BYTES_MAX = 1024 * 1024  # of one credential or presentation as text
CREDENTIAL_DEPTH_MAX = 64  # levels of its JSON
CREDENTIAL_LIST_MAX = 100  # proofs, subjects, status entries, … of one, each
STATUS_LIST_BYTES_MAX = 4 * 1024 * 1024  # of a status list once expanded
LOGIN_LIFETIME_MS_MAX = 600_000  # how long a login challenge may be open
LOGIN_NONCES_MAX = 100_000  # answered challenges that are remembered until they expire
LOGIN_LIFETIME_MS = 300_000  # how long one that a node makes is open
CREDENTIAL_ENTRIES_MAX = 400  # status entries of a credential, or of all in a presentation
CREDENTIAL_WORK_MAX = 16 * 1024 * 1024  # length of what a node is asked to verify, times its proofs
CREDENTIAL_CHECKS_MAX = 4  # that a node verifies at once, for strangers
CREDENTIAL_CHECK_MS_MAX = 10_000  # with everything that must be fetched

# Packets to other chains: these decide results, so all nodes must agree
PACKET_PAYLOAD_BYTES_MAX = 64 * 1024  # value of the payload; it stands in events as hex as well
PACKET_WORD_BYTES_MAX = 128  # a port, a version, an encoding
PACKET_BYTES_MAX = PACKET_PAYLOAD_BYTES_MAX + 1024  # payload, words and client ids
PACKET_PAYLOADS_MAX = 16  # whose commitment this program can name; packets of one payload alone are sent and received
PACKET_TIMEOUT_S_MAX = 24 * 3600  # ahead of the block time, as with ibc-go
PACKET_PROOF_BYTES_MAX = 64 * 1024  # a proof through two trees has about 1 kB; of absence 3 kB
PACKETS_OPEN_MAX = 10_000  # of one client
PACKETS_OPEN_SENDER_MAX = 1_000  # of those, of one sender
ACKNOWLEDGEMENT_BYTES_MAX = 8 * 1024  # what an application answers
CARRIED_RECORDS_MAX = 64  # evidence records in one packet
CARRIED_META_BYTES_MAX = 4 * 1024  # description of a record that came in a packet, with where it came from
CCP_BYTES_MAX = 256 * 1024  # of a message of the incumbent's cross-chain protocol, as JSON
CCP_INPUTS_MAX = 64  # of a contract call in one
CCP_TX_LIST_MAX = 64  # transactions that one names
LOG_HEADS_KEPT = 64  # heads of the evidence log to which a packet's proofs may lead

# Host
CLOCK_BLOCKS_AHEAD = 2  # blocks in a row that our clock finds late before we call it wrong
HOST_LOOP_TXS_MAX = 64  # a block of so many is built, checked or applied on the loop, which saves the way to a thread and back
HOST_LOOP_BYTES_MAX = 32 * 1024  # of its batches
HOST_LOOP_WORK_MAX = 10_000  # of its transactions, to be applied there
HOST_BEATS_MAX = 8  # of what the node tells itself, before peers and clients are let in again
HOST_BLOCK_TURNS = 6  # of the loop, after a block that was applied on it: so many take a request from its bytes to the host
HOST_INPUTS_MAX = 10_000  # inputs that wait for their step before peers are held up
BATCHES_UNVERIFIED_MAX = 64  # batches of peers that wait for their check
VERIFY_TABLES_BYTES_MAX = 64 * 1024 * 1024  # of tables of Ed25519 keys in the native verifier: 1,363 keys
INGRESS_CHECKS_MAX = 64  # submissions that are checked at once
INGRESS_LOOP_BYTES_MAX = 8 * 1024  # transactions up to this length together are checked at once, which costs less than the hop to a thread
INGRESS_GATHERED_MAX = 4096  # small single transactions that wait to be checked together
INGRESS_WAITERS_MAX = 100_000  # transactions whose clients wait for them
PROVER_THREADS = 2  # threads that read and prove for the HTTP interface
HEAP_FREE_BYTES_MAX = 16 * 1024 * 1024  # kept by a node's allocator at the end of its heap for the next batches
HEAP_PIECE_BYTES_MAX = 8 * 1024 * 1024  # a longer piece of memory goes back to the kernel at once

# Blocks of Fabric: what this program reads of them
FABRIC_FILE_BYTES_MAX = 256 * 1024 * 1024  # of a file of a peer's ledger; Fabric begins another at 64 MiB
FABRIC_BLOCK_BYTES_MAX = 32 * 1024 * 1024
FABRIC_BLOCKS_MAX = 100_000  # verified in one call
FABRIC_TXS_MAX = 10_000  # of one block
FABRIC_ITEMS_MAX = 100_000  # namespaces, reads, writes, … of one transaction, each
FABRIC_SIGNATURES_MAX = 128  # on one block, and on one transaction
FABRIC_TEXT_BYTES_MAX = 64 * 1024  # of a header, an identity, a key, a signature
FABRIC_CONFIG_ITEMS_MAX = 1024  # entries of one group of a channel's configuration
FABRIC_CONFIG_DEPTH_MAX = 8  # levels of groups
FABRIC_CERTIFICATES_MAX = 128  # of one kind and organisation
FABRIC_CHAIN_MAX = 8  # certificates from an identity to its root
FABRIC_RULES_MAX = 256  # parts of one signature policy
FABRIC_RULES_DEPTH_MAX = 8

# HTTP interface
OPEN_FILES = 65_536  # files and sockets that a node asks the machine for
OPEN_FILES_MIN = 8_192  # with fewer a flood of connections could leave none for the disk; the log then says so
HTTP_CONNECTIONS_MAX = 4096  # open connections, and never more than half of the files that the node may open
HTTP_BODY_MS_MAX = 60_000  # how long the body of a request may take to come
HTTP_UNREAD_MS_MAX = 10_000  # how long the rest of a body is read past that is answered already; then the connection is closed
JSON_PARTS_MAX = 20_000  # lists, objects and commas in the JSON of one request: 2 ms to read
HTTP_READ_BYTES = 256 * 1024  # of a connection at once
HTTP_HEADS_REMEMBERED_MAX = 256  # of requests, of at most 8 kB each: how long a body follows
HTTP_IDLE_S = 60  # a connection on which no request is complete for so long is closed
HTTP_TAKEN_BYTES_MIN = 32 * 1024  # of an answer that waits for its client, which has to take so much in each HTTP_IDLE_S
HTTP_TAKEN_PARTS = 60  # and this part of it: the longest answer is taken in an hour
SUBMIT_TXS_MAX = 1000  # transactions in one POST
SUBMIT_BATCH_TXS_MIN = 50  # of them that are a batch of their own; fewer are packed together with others
SUBMIT_WAIT_MS_MAX = 60_000  # how long a request may wait for a block
EVENT_CLIENTS_MAX = 256  # open event streams
EVENT_HEIGHTS_CACHED_MAX = 8  # heights whose events are kept ready for all streams
EVENT_WRITE_MS_MAX = 30_000  # a stream whose client does not read for so long is closed
EVENT_KEEPALIVE_MS = 10_000
FREEZES_PAGE_MAX = 20  # orders of supervision in one answer
COMET_PAGE_MAX = 100  # validators on one page of CometBFT's /validators
COMET_PAGE = 30
COMET_BLOCKS_MAX = 20  # headers in one answer of CometBFT's /blockchain
COMET_BATCH_MAX = 32  # calls in one JSON-RPC request
COMET_SOCKETS_MAX = 64  # open websockets of CometBFT clients
COMET_REQUEST_BYTES_MAX = TX_BYTES_MAX * 4 // 3 + 4096  # the largest transaction in base64
COMET_QUERY_LENGTH_MAX = 256  # of tx_search
COMET_COMMIT_MS = 10_000  # how long broadcast_tx_commit waits
DID_URL_BYTES_MAX = 4096  # of a DID URL with its parameters, as a text
WEB_FETCH_MS_MAX = 5_000  # a did:web document, from the look-up of its host to its last byte
WEB_DOCUMENT_BYTES_MAX = 64 * 1024  # of a did:web document
WEB_FETCHES_MAX = 8  # did:web documents fetched at once
REFERRAL_MS_MAX = 8_000  # for the answer of another chain, all its resolvers together
REFERRAL_BYTES_MAX = 1024 * 1024  # of such an answer
REFERRAL_DETAIL_LENGTH_MAX = 1_000  # of what is told about those that failed
REFERRAL_ABSENCE_MS_MAX = 30_000  # how long it is remembered that a DID is not there: it may come any moment
REFERRALS_KEPT_MAX = 4096  # answers of other chains that are remembered
REFERRALS_KEPT_BYTES_MAX = 16 * 1024 * 1024  # of those, as they came
REFERRALS_OPEN_MAX = 256  # questions to other chains that are under way or wait
REFERRALS_CHAIN_MAX = 8  # of those to one chain, how many are under way
REFERRAL_FETCHES_MAX = 32  # and to all of them

# Clients of the HTTP interface
DRAFT_BYTES_MAX = TX_BYTES_MAX + 4096  # a transaction with places for signatures
REGISTRATION_BYTES_MAX = 128 * 1024  # of a request: the largest document as JSON, and a job with the largest call in base64 twice
REGISTRATION_MS = 300_000  # how long the client of a registrar may take to sign
REGISTRATION_WAIT_MS = 15_000  # how long a registrar waits for a block before it says `wait`
CLIENT_TIMEOUT_MS = 30_000  # how long one question, or one transaction, may take with all its tries
CLIENT_TRIES_MIN = 3  # nodes that never answer, after each of which there is time for another
CLIENT_RETRY_MS_MIN = 50  # doubled after each round of all nodes
CLIENT_RETRY_MS_MAX = 2_000
CLIENT_RETRY_AFTER_S_MAX = 10  # how long a node without room is left alone with submissions, whatever it says
CLIENT_ASK_FIRST_BYTES = 64 * 1024  # a node that had no room is asked before it gets a body of so many
CLIENT_ANSWER_BYTES_MAX = BUNDLE_BYTES_MAX
CLIENT_DETAIL_LENGTH_MAX = 1_000  # of what a node says about a failure
CLIENT_REQUESTS_MAX = 8  # questions asked at once where a call needs many answers
CLIENT_SUBMIT_TXS = 500  # transactions in one request
CLIENT_SUBMIT_BYTES = 2 * 1024 * 1024  # of those
CLIENT_HEARTBEATS_MAX = 3  # how many heartbeats old the state may be that a question about now is answered with
CLIENT_HEADERS_KEPT = 256  # headers by height, to see when two are shown for one
CLIENT_CHAINS_KEPT = 16  # other chains of which that is done
CLIENT_EVENT_BYTES_MAX = 4 * 1024 * 1024  # of one event, as text
CLIENT_EVENTS_SILENT_MS_MAX = 3 * EVENT_KEEPALIVE_MS  # a stream that says nothing for so long is opened elsewhere
CLIENT_EVENTS_TRIES_MAX = 3  # streams of each node that end without telling anything new
ANCHOR_RECORDS = 100  # of one transaction
ANCHOR_FILE_CHUNK_BYTES = 1024 * 1024
ANCHOR_PARCELS = 8  # transactions of an anchorer under way at once
ANCHOR_LINGER_MS = 20  # how long a transaction that is not full waits for more records
OUTBOX_RECORDS_MAX = 1_000_000  # on disk; an application that is faster than the ledger waits

# The relay between chains
RELAY_CALL_MS = 10_000  # one question to one endpoint
RELAY_ATTEMPT_MS = 90_000  # all questions to one endpoint that belong together, after which another is asked; of one look at a route
RELAY_SUBMIT_MS = 30_000  # one transaction, with the wait for its block
RELAY_ANSWER_BYTES_MAX = 64 * 1024 * 1024  # of an endpoint: the results of a whole block
RELAY_LIAR_MS = 600_000  # how long an endpoint is not asked after an answer that does not verify
RELAY_SILENT_MS_MIN = 1_000  # and after none; doubled each time
RELAY_SILENT_MS_MAX = 60_000
RELAY_TIP_MS = 200  # how long the tip of a chain is known before its endpoints are asked again
RELAY_TIP_WAIT_MS = 10_000  # for the block that proves what has just been sent
RELAY_HEADERS_KEPT = 256  # verified ones of a chain
RELAY_STEPS_MAX = 64  # headers between a trusted one and the one that is wanted
RELAY_SCAN_BLOCKS = 200  # looked through for packets at a time
RELAY_SCAN_BACK = 20_000  # blocks that are looked through when there is no progress on file
RELAY_EVENTS_MAX = 10_000  # packet events of one look, and packets of a route that wait
RELAY_PACKETS = 16  # carried by one transaction
RELAY_MESSAGE_BYTES = 512 * 1024  # of one transaction, so that one whole header and its set always fit
RELAY_PROVABLE_HEIGHTS = STATE_ROOTS_KEPT // 2  # so far back a proof is asked for
RELAY_ANCHOR_HEIGHTS = RELAY_PROVABLE_HEIGHTS // 2  # blocks of a chain after which a header is carried over, by default
RELAY_ANCHOR_HEIGHTS_MIN = 10  # an update makes blocks where it goes: two chains that answer each other's faster never come to rest
RELAY_ANCHOR_HEIGHTS_MAX = 1_000_000
RELAY_RETRY_MS_MIN = 1_000  # after a failure; doubled each time
RELAY_RETRY_MS_MAX = 300_000
RELAY_TRIES_MAX = 10  # failures after which a packet counts as stuck; it is still tried, as seldom as can be
RELAY_ROUTES_MAX = 256
GATEWAY_RESTART_MS = 10_000  # before a node begins its gateway anew that ended
RELAY_LOOP_BYTES_MAX = 64 * 1024  # an answer up to this length is read at once, which costs less than the hop to a thread
RELAY_CYCLE_MS_MAX = 300_000  # one look at a route, with all that it sends
RELAY_ROUNDS_MAX = 32  # looks at each route by `chainnode relay once`
RELAY_CHAINS_MAX = 128
RELAY_ENDPOINTS_MAX = 16  # of one chain
