"""The table of stable error codes. Numbers and names never change and are never reused.

1-99 bytes and admission, 100-199 execution in general, then one hundred per contract;
900-999 node, disk and network (never inside a block); 1000-1099 credentials; 1100-1199 chains.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """A stable code: `number` enters result hashes, `name` is what users match on, `meaning` is one sentence."""

    number: int
    name: str
    meaning: str


OK = Code(0, "ok", "The call was applied.")

# 1-99: bytes and admission
MALFORMED = Code(1, "malformed", "The bytes do not decode to what was expected.")
TOO_LARGE = Code(2, "too-large", "The message is larger than the limit.")
WRONG_CHAIN = Code(3, "wrong-chain", "The transaction or message names another chain.")
EXPIRED = Code(4, "expired", "The transaction's valid_until_ms has passed.")
TOO_FAR_AHEAD = Code(5, "too-far-ahead", "valid_until_ms is further ahead than the chain allows.")
REPLAYED = Code(6, "replayed", "A transaction with this id was applied before.")
BAD_SIGNATURE = Code(7, "bad-signature", "A signature does not verify.")
BAD_KEY = Code(8, "bad-key", "A key or key string is not valid.")
BAD_DID = Code(9, "bad-did", "The string is not a DID, or not of the form of its method.")
SUITE_MISSING = Code(10, "suite-missing", "The signature suite needs a library that is not installed.")
BAD_PROOF = Code(11, "bad-proof", "A proof does not verify.")
NOT_ENOUGH_TRUST = Code(12, "not-enough-trust", "Less than a third of the trusted validators signed the header.")
TRUST_EXPIRED = Code(13, "trust-expired", "The trusted header is older than the trusting period.")
BAD_COMMIT = Code(14, "bad-commit", "The commit does not carry more than two thirds of the voting power.")
BAD_HEADER = Code(15, "bad-header", "A header field breaks a rule.")
BAD_GENESIS = Code(16, "bad-genesis", "The genesis file is not valid.")
BAD_PASSPHRASE = Code(17, "bad-passphrase", "The passphrase does not open this key.")
BAD_BUNDLE = Code(18, "bad-bundle", "The proof bundle is not valid.")
LIBRARY_MISSING = Code(19, "library-missing", "The format needs a library that is not installed.")
BAD_DOCUMENT = Code(20, "bad-document", "A DID document, or a part of one, is not valid.")
BAD_DID_URL = Code(21, "bad-did-url", "The string behind a DID is not a path, a query and a fragment of a DID URL.")

# 100-199: execution in general
UNKNOWN_CONTRACT = Code(100, "unknown-contract", "No contract has this name.")
UNKNOWN_METHOD = Code(101, "unknown-method", "The contract has no method with this name.")
BAD_ARGUMENTS = Code(102, "bad-arguments", "The arguments do not fit the method.")
KEY_NOT_AUTHORISED = Code(103, "key-not-authorised", "The signing key does not speak for the signer at this height.")
NOT_MEMBER = Code(104, "not-member", "The sender holds no role that may write to this chain.")
ROLE_MISSING = Code(105, "role-missing", "The sender lacks the role that this call needs.")
SIGNER_MISSING = Code(106, "signer-missing", "A party that must sign this transaction has not signed it.")
TOO_MANY = Code(107, "too-many", "A list in the call is longer than the limit.")
NOT_FOUND = Code(108, "not-found", "The object that the call names does not exist.")
ALREADY_EXISTS = Code(109, "already-exists", "An object with this identifier exists already.")
BLOCK_BUSY = Code(110, "block-busy", "Transactions before it have used up the work of the block, or the sender's share; send it again.")
TOO_COSTLY = Code(111, "too-costly", "The calls of the transaction are more work than one transaction may be; divide it.")

# 200-299: governance
PROPOSAL_CLOSED = Code(200, "proposal-closed", "The proposal was decided or has expired.")
ALREADY_VOTED = Code(201, "already-voted", "This super node has voted on the proposal.")
BAD_PROPOSAL = Code(202, "bad-proposal", "The proposal asks for nothing that governance can do.")
LAST_SUPER_NODE = Code(203, "last-super-node", "The chain would be left without a super node.")

# 300-399: roles
ROLE_UNKNOWN = Code(300, "role-unknown", "There is no role with this name.")
ROLE_BY_GOVERNANCE = Code(301, "role-by-governance", "This role is given and taken by a vote of the super nodes.")
EXPIRY_PAST = Code(302, "expiry-past", "The time of expiry has passed already.")

# 400-499: validators
NOT_EQUIVOCATION = Code(400, "not-equivocation", "The two votes do not prove that a validator signed two blocks in one round.")
VALIDATOR_BARRED = Code(401, "validator-barred", "This key is barred: its equivocation is on record.")
LAST_VALIDATOR = Code(402, "last-validator", "The chain would be left without a validator.")

# 500-599: identity
STALE_VERSION = Code(500, "stale-version", "The sequence number or the previous version is not the current one.")
DEACTIVATED = Code(501, "deactivated", "The identifier was deactivated, for ever.")
NO_KEYS = Code(502, "no-keys", "The identifier would be left without a key that may sign for it.")
CHANGED_THIS_BLOCK = Code(503, "changed-this-block", "The identifier has a version of this block already; it can change again in the next.")
NO_RECOVERY = Code(504, "no-recovery", "The identifier names nobody who may recover it, or no recovery is pending.")
RECOVERY_PENDING = Code(505, "recovery-pending", "A recovery of the identifier is pending, or ready to be finished.")
RECOVERY_EARLY = Code(506, "recovery-early", "The delay of the recovery has not passed.")
NO_VETO = Code(507, "no-veto", "All who may recover the identifier have asked, and fewer would have been enough: there is no veto.")

# 600-699: evidence
BAD_DIGEST = Code(600, "bad-digest", "A digest has 32 bytes, by an algorithm that the chain knows.")
META_TOO_LONG = Code(601, "meta-too-long", "The description of a record is too long.")

# 700-799: goods
BAD_GOODS_CODE = Code(700, "bad-goods-code", "The code of a package is empty, too long, or not what its scheme asks for.")
BAD_CHECK_DIGIT = Code(701, "bad-check-digit", "The last digit of a GS1 key does not fit the others.")
BAD_QUANTITY = Code(702, "bad-quantity", "A quantity is a whole number of its unit of measure, from one up to the limit.")
UNIT_COVERED = Code(703, "unit-covered", "The package is covered by a receipt in force.")
UNIT_GONE = Code(704, "unit-gone", "The package was delivered or decommissioned.")
NOT_COMMISSIONER = Code(705, "not-commissioner", "Only the custodian that commissioned the package may do this.")

# 800-899: receipts
NOT_HOLDER = Code(800, "not-holder", "The holder of the receipt has not signed.")
WRONG_STATE = Code(801, "wrong-state", "The receipt is in a state that does not allow this.")
STALE_SEQUENCE = Code(802, "stale-sequence", "The receipt has changed since the caller saw it.")
FROZEN = Code(803, "frozen", "A hold on the receipt forbids to dispose of it.")
PLEDGED = Code(804, "pledged", "The receipt is pledged, or reserved for a pledge that was proposed.")
NOT_CONSERVED = Code(805, "not-conserved", "Packages and quantities after the call would not be exactly those before it.")
NOT_ALIKE = Code(806, "not-alike", "Packages or receipts that are to be one differ in something they must share.")
NOT_AS_ORDERED = Code(807, "not-as-ordered", "The scanned packages are not exactly those that were ordered.")
OFFER_OPEN = Code(808, "offer-open", "The receipt is offered to somebody; the offer must end first.")
NO_OFFER = Code(809, "no-offer", "No transfer of the receipt is offered.")
NO_PROPOSAL = Code(810, "no-proposal", "No pledge of the receipt is proposed, or the proposal has lapsed.")
NO_PLEDGE = Code(811, "no-pledge", "The receipt is not pledged.")
BAD_PLEDGE = Code(812, "bad-pledge", "An amount, a currency, a date or the wording of a pledge is not valid.")
NO_HOLD = Code(813, "no-hold", "The receipt carries no such hold.")
NOT_AUTHORITY = Code(814, "not-authority", "The sender may not set or clear a hold of this kind.")

# 900-999: the node, its disk and its network (never inside a block)
BAD_CONFIG = Code(900, "bad-config", "A setting of the node is not valid.")
CLOCK_WRONG = Code(901, "clock-wrong", "This machine's clock disagrees with the network's by more than the chain allows.")
OVERLOADED = Code(902, "overloaded", "The node has more work than it can take; try again.")
NOT_READY = Code(903, "not-ready", "The node is starting or catching up.")
STATE_PRUNED = Code(904, "state-pruned", "The state at this height is no longer kept.")
HEIGHT_UNKNOWN = Code(905, "height-unknown", "The chain has not reached this height, or this node does not have it yet.")
TX_UNKNOWN = Code(906, "tx-unknown", "No committed transaction has this id.")
WAIT_TIMEOUT = Code(907, "wait-timeout", "The transaction was taken but not committed in time; it may still be.")
HOME_EXISTS = Code(909, "home-exists", "The folder holds a node already.")
PORT_IN_USE = Code(910, "port-in-use", "Another program listens on this port.")
BAD_USE = Code(911, "bad-use", "The command line, or a file that it names, is not what the command takes.")
OPTIMISED = Code(908, "optimised", "The node refuses to run under python -O, which removes its assertions.")

# 920-939: peers
NOT_ADMITTED = Code(920, "not-admitted", "The ledger does not admit this node's key to the network, or not yet.")
WRONG_GENESIS = Code(921, "wrong-genesis", "The peer has another genesis file: another chain, or another beginning of it.")
WRONG_PROTOCOL = Code(922, "wrong-protocol", "The peer speaks another version of the peer protocol.")
WRONG_PEER = Code(923, "wrong-peer", "The node at this address does not hold the expected node key.")
BAD_HELLO = Code(924, "bad-hello", "The peer's first message is not what the protocol asks for.")
FRAME_TOO_LARGE = Code(925, "frame-too-large", "A peer announced a frame above the limit.")
PEER_BANNED = Code(926, "peer-banned", "The peer misbehaved and is kept out for a while.")
PEER_SILENT = Code(927, "peer-silent", "The peer took longer than the limit to connect, to read or to say anything.")
PEER_UNREACHABLE = Code(928, "peer-unreachable", "No connection to the peer's address could be made.")
PEER_CLOSED = Code(929, "peer-closed", "The peer closed the connection.")
PEER_DUPLICATE = Code(930, "peer-duplicate", "Another connection with this peer takes the place of this one.")
TOO_MANY_PEERS = Code(931, "too-many-peers", "The node has as many peers as it takes.")

# 940-959: the node's own files
DATA_IN_USE = Code(940, "data-in-use", "Another process has the node's data open.")
CORRUPT_STORE = Code(941, "corrupt-store", "The node's data is damaged; restore it or let the node sync again.")
DISK_FULL = Code(942, "disk-full", "The disk has no room; nothing of the height was written.")
DISK_FAILED = Code(943, "disk-failed", "The disk refused to read or write.")
WRONG_GENESIS_DATA = Code(944, "wrong-genesis-data", "The data folder belongs to another chain or another genesis file.")
WRONG_KEY_DATA = Code(945, "wrong-key-data", "The file or data folder belongs to another key.")
WRONG_DATA_VERSION = Code(946, "wrong-data-version", "The data folder is laid out as by another version of chainnode.")
DOUBLE_SIGN = Code(947, "double-sign", "The key has signed something else for this height, round and step.")
SIGN_BEHIND = Code(948, "sign-behind", "The key has signed for a later height, round or step.")
KEY_FILE_EXISTS = Code(949, "key-file-exists", "A key file is there already; it is never overwritten.")
BAD_KEY_FILE = Code(950, "bad-key-file", "The key file cannot be read, or others may read it.")

# 960-979: the HTTP interface
NO_ROUTE = Code(960, "no-route", "The HTTP interface has nothing at this path.")
WRONG_HTTP_METHOD = Code(961, "wrong-http-method", "The path does not take this HTTP method.")
UNSUPPORTED_MEDIA = Code(962, "unsupported-media", "The body is of a media type that the path does not take.")
BAD_OPTION = Code(963, "bad-option", "An option of the request is not valid, or contradicts another.")
DID_METHOD_UNKNOWN = Code(964, "did-method-unknown", "The node does not resolve DIDs of this method.")
FEATURE_MISSING = Code(
    965, "feature-missing", "The request asks for what this resolver does not do, or what the DID's method does not have."
)
WEB_DID_BAD = Code(966, "web-did-bad", "What the web server keeps for a did:web is not its document.")
WEB_DID_UNREACHABLE = Code(967, "web-did-unreachable", "The web server of a did:web could not be reached, or may not be.")
CHAIN_UNREACHABLE = Code(968, "chain-unreachable", "No resolver of the other chain could be reached, or none may be.")
CHAIN_NOT_PROVED = Code(969, "chain-not-proved", "No resolver of the other chain proved an answer that is young enough.")
REFERRED_TWICE = Code(970, "referred-twice", "The question came from a node already that had referred it; it is not passed on again.")
NOT_ANCHORED = Code(972, "not-anchored", "This chain does not hold, or not yet, the header of the other chain that the proof needs.")
UNAUTHORISED = Code(971, "unauthorised", "The request lacks the bearer token that this path needs.")

# 980-989: what a client finds wrong with a node's answer
NODE_UNREACHABLE = Code(980, "node-unreachable", "No node could be reached, or none answered in time.")
STALE_ANSWER = Code(981, "stale-answer", "The answer is true but older than what is asked for, or than what is known already.")
OTHER_QUESTION = Code(982, "other-question", "The node proved something else than what was asked.")
TWO_HEADERS = Code(983, "two-headers", "Two decided headers of one height were shown: more than a third of the voting power has lied.")

# 1000-1099: credentials, in the contract and in what verifies them
BAD_CREDENTIAL = Code(1000, "bad-credential", "A credential or presentation, or a part of one, is not valid.")
CREDENTIAL_EXPIRED = Code(1001, "credential-expired", "The credential is no longer valid.")
CREDENTIAL_NOT_YET_VALID = Code(1002, "credential-not-yet-valid", "The credential is not valid yet.")
CREDENTIAL_REVOKED = Code(1003, "credential-revoked", "The credential's status list says that it was revoked.")
CREDENTIAL_SUSPENDED = Code(1004, "credential-suspended", "The credential's status list says that it is suspended.")
BAD_CREDENTIAL_PROOF = Code(1005, "bad-credential-proof", "A proof of the credential does not verify, or has run out.")
SUITE_UNKNOWN = Code(1006, "suite-unknown", "The credential is secured by a method that this program does not verify.")
METHOD_NOT_AUTHORISED = Code(1007, "method-not-authorised", "The key does not speak for the issuer or holder, or not for this purpose.")
BAD_STATUS_LIST = Code(1008, "bad-status-list", "A status list, or an entry that points into one, is not valid.")
STATUS_LIST_SHORT = Code(1009, "status-list-short", "A status list has at least 131,072 entries.")
STATUS_OUT_OF_RANGE = Code(1010, "status-out-of-range", "The entry points beyond the end of the status list.")
STATUS_UNKNOWN = Code(1011, "status-unknown", "The status list that the credential names was not given or could not be had.")
WRONG_CHALLENGE = Code(1012, "wrong-challenge", "The answer is to a challenge of another application, or of nobody.")
CHALLENGE_EXPIRED = Code(1013, "challenge-expired", "The challenge has run out; ask for another.")
CHALLENGE_USED = Code(1014, "challenge-used", "The challenge was answered before.")
NOT_ISSUER = Code(1015, "not-issuer", "The DID is not an issuer that the super nodes admitted.")
STATUS_FINAL = Code(1016, "status-final", "What was revoked stays revoked.")

# 1100-1199: chains
BAD_CHAIN = Code(1100, "bad-chain", "What is to be recorded of a chain is not valid.")
AC_TAKEN = Code(1101, "ac-taken", "The AC number is another chain's for ever, or the chain has another number.")
BAD_CHAIN_FORM = Code(1102, "bad-chain-form", "The form of a chain lacks a field, has one that is unknown, or one that is not of its kind.")
APPLICATION_CLOSED = Code(1103, "application-closed", "The application was decided or withdrawn.")
CHAIN_CLOSED = Code(1104, "chain-closed", "The chain is suspended, frozen, revoked or expired.")
NOT_OPERATOR = Code(1105, "not-operator", "Neither the operator of the chain nor one of its gateways has signed, as this call needs.")
WRONG_CHAIN_STATUS = Code(1106, "wrong-chain-status", "The chain is in a state that does not allow this.")
CHAIN_APPEAL_OPEN = Code(1107, "chain-appeal-open", "An appeal of the chain is open and must be answered first.")
NO_CHAIN_APPEAL = Code(1108, "no-chain-appeal", "No such appeal of the chain is open.")
NOT_YOURS_TO_CHANGE = Code(1109, "not-yours-to-change", "This field was judged by the council: it takes a new application.")

# 1150-1174: packets to other chains, their application `evidence`, and messages of the incumbent
BAD_PACKET = Code(1150, "bad-packet", "The bytes of a packet or of an acknowledgement are not valid.")
PACKET_TIMED_OUT = Code(1151, "packet-timed-out", "The packet's timeout has passed; it can no longer be received.")
BAD_TIMEOUT = Code(1152, "bad-timeout", "A packet's timeout lies behind the block time and the client's latest, at most 24 hours ahead.")
TIMEOUT_NOT_REACHED = Code(1153, "timeout-not-reached", "The other chain's header is from before the packet's timeout.")
WRONG_COUNTERPARTY = Code(1154, "wrong-counterparty", "The packet is of or for another client than the registered counterparty.")
PACKET_DIFFERS = Code(1155, "packet-differs", "The packet is not the one that was sent under this number.")
PORT_UNKNOWN = Code(1156, "port-unknown", "No application has this port.")
PACKETS_FULL = Code(1157, "packets-full", "So many packets are open that no more can be sent until some have ended.")
EVIDENCE_NOT_PROVED = Code(1160, "evidence-not-proved", "The record is not shown to be in this chain's evidence log.")
BAD_CCP = Code(1165, "bad-ccp", "A cross-chain message of the incumbent's protocol is not valid, or no packet can carry it.")

# 1175-1199: receipts that move from chain to chain
RECEIPT_AWAY = Code(1175, "receipt-away", "The receipt is locked: it is in force on another chain, or on its way.")
RECEIPT_GUEST = Code(1176, "receipt-guest", "The goods of the receipt are on another chain, and this can be done there alone.")
NOT_AWAY = Code(1177, "not-away", "No receipt that is away left by this client in the packet named, so none comes back this way.")
BAD_ROUTE = Code(1178, "bad-route", "The receipt would come to a chain where it has been, or has too many chains behind it.")
RESERVED_ID = Code(1179, "reserved-id", "Ids of this form are given to receipts that come from other chains.")
BAD_MOVE = Code(1180, "bad-move", "What the packet says of the receipt is not what the ledger says, or does not decode.")

# 1250-1299: supervision
ACCOUNT_FROZEN = Code(1250, "account-frozen", "The supervision nodes froze a signer: it can appeal, and do nothing else.")
BAD_ORDER = Code(1251, "bad-order", "The order of supervision names no target that it could freeze, or no time that it could last.")
ORDER_CLOSED = Code(1252, "order-closed", "The order of supervision is not at the stage that the call needs.")
ALREADY_SIGNED = Code(1253, "already-signed", "This supervision node has said so already.")
ALREADY_FROZEN = Code(1254, "already-frozen", "An order of supervision is in force for this target.")
TOO_FEW_SUPERVISORS = Code(1255, "too-few-supervisors", "A chain freezes nothing before it has two supervision nodes.")
TARGET_PROTECTED = Code(1256, "target-protected", "Supervision nodes are not frozen by each other; their role is for governance to take.")
NOT_TARGET = Code(1257, "not-target", "Only whom the order of supervision concerns may appeal against it.")
APPEAL_OPEN = Code(1258, "appeal-open", "An appeal against this order waits for its answer.")
NO_APPEAL = Code(1259, "no-appeal", "No appeal against this order is open.")
STILL_IN_FORCE = Code(1260, "still-in-force", "The order of supervision has not ended.")

# 1350-1399: EVM chains, and statements of attestors
BAD_RLP = Code(1350, "bad-rlp", "The bytes are not RLP in its one form, or not of what was expected.")
BAD_EVM_HEADER = Code(1351, "bad-evm-header", "A field of a header of an EVM chain breaks a rule.")
NOT_ENOUGH_SEALS = Code(1352, "not-enough-seals", "Fewer than two thirds of the trusted validators sealed the header.")
BAD_ATTESTATION = Code(1353, "bad-attestation", "A statement of attestors is not valid, or not of what was asked.")
NOT_ENOUGH_ATTESTORS = Code(1354, "not-enough-attestors", "Fewer attestors than the client asks for signed the statement.")
BAD_ABI = Code(1355, "bad-abi", "What a contract of an EVM chain answers is not what was expected.")
EVM_REVERTED = Code(1356, "evm-reverted", "A contract of an EVM chain refused the relay's call.")
NOT_FINAL = Code(1357, "not-final", "The attestor has not seen the block of this height final yet.")
ATTESTOR_BEHIND = Code(1358, "attestor-behind", "The height is not above where the attestor's guard begins.")
TIME_NOT_RISING = Code(
    1359, "time-not-rising", "The time of the block is not later than that of the one before: no attestor signs its height."
)
CHAIN_TURNED = Code(1360, "chain-turned", "The chain shows another block at a height that the attestor has signed; it signs nothing new.")
GUARD_UNFIT = Code(1361, "guard-unfit", "The guard of an attestor's key is missing or damaged, or of another key, chain or outbox.")
ATTESTORS_DISAGREE = Code(1362, "attestors-disagree", "Fewer attestors than are needed say one and the same, in time.")
GAS_TOO_DEAR = Code(1363, "gas-too-dear", "Gas is dearer than the settings of the relay allow, or so says an endpoint.")

# 1110-1149: light clients of other chains
CLIENT_UNKNOWN = Code(1110, "client-unknown", "There is no light client with this id.")
CLIENT_FROZEN = Code(
    1111, "client-frozen", "The light client, or the one that it rests on, was frozen: the other chain contradicted itself."
)
CLIENT_EXPIRED = Code(1112, "client-expired", "The light client has heard nothing for so long that it can trust nothing any more.")
BAD_CLIENT = Code(1113, "bad-client", "A light client cannot begin, or go on, with these states.")
NOT_RELAYER = Code(1114, "not-relayer", "Only the relayers on the light client's list may do this.")
CONSENSUS_UNKNOWN = Code(1115, "consensus-unknown", "The light client has no state of this height.")
NO_COUNTERPARTY = Code(
    1116, "no-counterparty", "The light client has no counterparty yet: nobody said which client follows this chain there."
)
COUNTERPARTY_SET = Code(1117, "counterparty-set", "The light client has its counterparty, which never changes.")
NO_MISBEHAVIOUR = Code(1118, "no-misbehaviour", "The headers do not show that the other chain contradicted itself.")
KIND_UNKNOWN = Code(1119, "kind-unknown", "There is no kind of light client with this name.")
STALE_HEADER = Code(1120, "stale-header", "The header is older than all states that the light client keeps.")
CLIENT_ACTIVE = Code(1121, "client-active", "The light client is active; there is nothing to recover.")
NOT_CREATOR = Code(1122, "not-creator", "Only who is on record as the light client's creator may do this.")

# 1200-1249: what chains report of themselves
FEED_UNKNOWN = Code(1200, "feed-unknown", "There is no feed with this name.")
BAD_FEED = Code(1201, "bad-feed", "A report lacks a field, has one that is unknown, or one that is not of its kind.")
FEED_TOO_SOON = Code(1202, "feed-too-soon", "The last report of this feed is younger than the interval.")
FEED_CONTRADICTED = Code(1203, "feed-contradicted", "A reported block is not the one that the chain's validators signed.")

# 1300-1349: the relay between chains (never inside a block)
ENDPOINT_LIES = Code(1300, "endpoint-lies", "What an endpoint says of its chain does not verify; another is asked from now on.")
CHAIN_SILENT = Code(1301, "chain-silent", "No endpoint of the chain answers well and in time.")
READ_ONLY = Code(1302, "read-only", "The relay can follow a chain of this family, but has no way to send transactions to it.")
ROUTE_WRONG = Code(1303, "route-wrong", "The clients that a route names do not follow each other's chains.")
TRUST_ROOT_WRONG = Code(
    1304, "trust-root-wrong", "The chain does not follow from the genesis file or header that the relay was told to trust."
)
PROGRESS_DAMAGED = Code(1305, "progress-damaged", "The relay's file of progress is damaged; without it the relay looks back further once.")
OUTCOME_UNKNOWN = Code(1306, "outcome-unknown", "What a chain answers does not say whether it applied the relay's transaction.")

# 1400-1449: Fabric
BAD_FABRIC_BLOCK = Code(1400, "bad-fabric-block", "The bytes of a Fabric block or transaction, or of a part of one, break a rule.")
FABRIC_CHAIN_BROKEN = Code(
    1401, "fabric-chain-broken", "A Fabric block does not follow the one before it, or does not hold what its header says."
)
FABRIC_NOT_SIGNED = Code(
    1402, "fabric-not-signed", "The orderers who signed a Fabric block are not those, or not as many, as its channel asks for."
)
BAD_FABRIC_IDENTITY = Code(
    1403, "bad-fabric-identity", "A certificate is not one that its Fabric organisation vouches for, or the signature is not its own."
)
BAD_FABRIC_CONFIG = Code(
    1404, "bad-fabric-config", "The configuration of a Fabric channel is not valid, or does not follow the one before it."
)
FABRIC_NOT_ENDORSED = Code(1405, "fabric-not-endorsed", "The endorsers of a Fabric transaction do not satisfy the policy of its chaincode.")
FABRIC_POLICY_UNKNOWN = Code(
    1406, "fabric-policy-unknown", "Neither the caller nor the channel says who must endorse this Fabric chaincode."
)
FABRIC_REPEATED = Code(1407, "fabric-repeated", "A Fabric transaction with this id stands in an earlier place.")

CODES: dict[str, Code] = {code.name: code for code in list(globals().values()) if isinstance(code, Code)}
