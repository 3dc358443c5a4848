// Package ibcpeer is a chain of ibc-go in one process, told by lines of JSON on stdin what to do; it answers each with a line on stdout.
//
// The chain is ibc-go's own test application with its keepers, messages and light clients, unchanged. Bytes are in hexadecimal.
package ibcpeer

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	abci "github.com/cometbft/cometbft/abci/types"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/gogoproto/proto"

	clienttypes "github.com/cosmos/ibc-go/v10/modules/core/02-client/types"
	clientv2types "github.com/cosmos/ibc-go/v10/modules/core/02-client/v2/types"
	channeltypesv2 "github.com/cosmos/ibc-go/v10/modules/core/04-channel/v2/types"
	commitmenttypes "github.com/cosmos/ibc-go/v10/modules/core/23-commitment/types"
	commitmenttypesv2 "github.com/cosmos/ibc-go/v10/modules/core/23-commitment/types/v2"
	"github.com/cosmos/ibc-go/v10/modules/core/exported"
	ibctm "github.com/cosmos/ibc-go/v10/modules/light-clients/07-tendermint"
	ibctesting "github.com/cosmos/ibc-go/v10/testing"
	mockv2 "github.com/cosmos/ibc-go/v10/testing/mock/v2"
)

const evidencePort = "evidence"

type command struct {
	Do             string   `json:"do"`
	Client         string   `json:"client"`
	Counterparty   string   `json:"counterparty"`
	Prefix         []string `json:"prefix"`
	ClientState    string   `json:"client_state"`
	ConsensusState string   `json:"consensus_state"`
	Message        string   `json:"message"`
	Height         uint64   `json:"height"`
	Revision       uint64   `json:"revision"`
	Key            string   `json:"key"`
	Value          string   `json:"value"`
	Proof          string   `json:"proof"`
	Packet         string   `json:"packet"`
	Ack            string   `json:"ack"`
	Timeout        uint64   `json:"timeout"`
	SourcePort     string   `json:"source_port"`
	DestPort       string   `json:"dest_port"`
	Version        string   `json:"version"`
	Encoding       string   `json:"encoding"`
	AppAck         string   `json:"app_ack"`
}

type answer map[string]any

type peer struct {
	coord *ibctesting.Coordinator
	chain *ibctesting.TestChain
}

func TestPeer(t *testing.T) {
	if os.Getenv("IBC_PEER") == "" {
		t.Skip("run by tests/interop/test_ibc_go.py")
	}
	coord := &ibctesting.Coordinator{T: t, CurrentTime: time.Now().UTC()}
	chain := ibctesting.NewTestChain(t, coord, "ibcgo-1")
	coord.Chains = map[string]*ibctesting.TestChain{chain.ChainID: chain}
	// The application of our chains, of which this one has the mock: it answers what it is told to.
	router := chain.App.GetIBCKeeper().ChannelKeeperV2.Router
	router.AddRoute(evidencePort, router.Route(mockv2.PortIDA))
	p := &peer{coord, chain}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 64<<20)
	for in.Scan() {
		var c command
		out := answer{}
		err := json.Unmarshal(in.Bytes(), &c)
		if err == nil {
			out, err = p.do(&c)
		}
		if err != nil {
			out = answer{"error": err.Error()}
		}
		line, _ := json.Marshal(out)
		fmt.Printf("> %s\n", line)
	}
}

func (p *peer) do(c *command) (answer, error) {
	p.coord.CurrentTime = time.Now().UTC()
	p.coord.UpdateTime()
	signer := p.chain.SenderAccount.GetAddress().String()
	switch c.Do {
	case "trust": // what a client of this chain begins with
		p.next()
		height := p.chain.LatestCommittedHeader.GetHeight().(clienttypes.Height)
		day := 24 * time.Hour
		state := ibctm.NewClientState(p.chain.ChainID, ibctm.DefaultTrustLevel, 14*day, 21*day, 30*time.Second, height,
			commitmenttypes.GetSDKSpecs(), []string{"upgrade", "upgradedIBCState"})
		return answer{"chain_id": p.chain.ChainID, "height": height.RevisionHeight,
			"client_state": anyBytes(state), "consensus_state": anyBytes(p.chain.LatestCommittedHeader.ConsensusState())}, nil
	case "header": // a header for a client that trusts Height
		p.next()
		header, err := p.chain.IBCClientHeader(p.chain.LatestCommittedHeader, clienttypes.NewHeight(1, c.Height))
		if err != nil {
			return nil, err
		}
		return answer{"message": anyBytes(header), "height": header.GetHeight().GetRevisionHeight()}, nil
	case "create_client":
		state, consensus := new(codectypes.Any), new(codectypes.Any)
		if err := unmarshal(c.ClientState, state); err != nil {
			return nil, err
		}
		if err := unmarshal(c.ConsensusState, consensus); err != nil {
			return nil, err
		}
		result, err := p.send(&clienttypes.MsgCreateClient{ClientState: state, ConsensusState: consensus, Signer: signer})
		if err != nil {
			return nil, err
		}
		id, err := ibctesting.ParseClientIDFromEvents(result.Events)
		return answer{"client": id}, err
	case "register":
		prefix := make([][]byte, len(c.Prefix))
		for i, part := range c.Prefix {
			prefix[i] = unhex(part)
		}
		_, err := p.send(clientv2types.NewMsgRegisterCounterparty(c.Client, prefix, c.Counterparty, signer))
		return answer{}, err
	case "update_client", "misbehaviour":
		message := new(codectypes.Any)
		if err := unmarshal(c.Message, message); err != nil {
			return nil, err
		}
		if _, err := p.send(&clienttypes.MsgUpdateClient{ClientId: c.Client, ClientMessage: message, Signer: signer}); err != nil {
			return nil, err
		}
		keeper := p.chain.App.GetIBCKeeper().ClientKeeper
		status := keeper.GetClientStatus(p.chain.GetContext(), c.Client)
		return answer{"height": keeper.GetClientLatestHeight(p.chain.GetContext(), c.Client).RevisionHeight, "status": status.String()}, nil
	case "verify": // membership, or non-membership without a value, under the prefix of our chain
		path := commitmenttypesv2.NewMerklePath([]byte("ibc"), unhex(c.Key))
		keeper := p.chain.App.GetIBCKeeper().ClientKeeper
		height := clienttypes.NewHeight(c.Revision, c.Height)
		if c.Value == "" {
			return answer{}, keeper.VerifyNonMembership(p.chain.GetContext(), c.Client, height, 0, 0, unhex(c.Proof), path)
		}
		return answer{}, keeper.VerifyMembership(p.chain.GetContext(), c.Client, height, 0, 0, unhex(c.Proof), path, unhex(c.Value))
	case "send_packet":
		payload := channeltypesv2.NewPayload(c.SourcePort, c.DestPort, c.Version, c.Encoding, unhex(c.Value))
		result, err := p.send(channeltypesv2.NewMsgSendPacket(c.Client, c.Timeout, signer, payload))
		if err != nil {
			return nil, err
		}
		var data sdk.TxMsgData
		var sent channeltypesv2.MsgSendPacketResponse
		if err := proto.Unmarshal(result.Data, &data); err != nil {
			return nil, err
		}
		if err := proto.Unmarshal(data.MsgResponses[0].Value, &sent); err != nil {
			return nil, err
		}
		packet := channeltypesv2.NewPacket(sent.Sequence, c.Client, c.Counterparty, c.Timeout, payload)
		bytes, err := proto.Marshal(&packet)
		return answer{"packet": hex.EncodeToString(bytes), "sequence": sent.Sequence}, err
	case "receive_packet":
		var packet channeltypesv2.Packet
		if err := proto.Unmarshal(unhex(c.Packet), &packet); err != nil {
			return nil, err
		}
		p.chain.GetSimApp().MockModuleV2A.IBCApp.OnRecvPacket = func(sdk.Context, string, string, uint64, channeltypesv2.Payload, sdk.AccAddress) channeltypesv2.RecvPacketResult {
			if c.AppAck == "" {
				return channeltypesv2.RecvPacketResult{Status: channeltypesv2.PacketStatus_Failure}
			}
			return channeltypesv2.RecvPacketResult{Status: channeltypesv2.PacketStatus_Success, Acknowledgement: unhex(c.AppAck)}
		}
		height := clienttypes.NewHeight(c.Revision, c.Height)
		result, err := p.send(channeltypesv2.NewMsgRecvPacket(packet, unhex(c.Proof), height, signer))
		if err != nil {
			return nil, err
		}
		return answer{"ack": attribute(result.Events, "write_acknowledgement", "encoded_acknowledgement_hex")}, nil
	case "acknowledge":
		var packet channeltypesv2.Packet
		var ack channeltypesv2.Acknowledgement
		if err := proto.Unmarshal(unhex(c.Packet), &packet); err != nil {
			return nil, err
		}
		if err := proto.Unmarshal(unhex(c.Ack), &ack); err != nil {
			return nil, err
		}
		_, err := p.send(channeltypesv2.NewMsgAcknowledgement(packet, ack, unhex(c.Proof), clienttypes.NewHeight(c.Revision, c.Height), signer))
		return answer{}, err
	case "timeout":
		var packet channeltypesv2.Packet
		if err := proto.Unmarshal(unhex(c.Packet), &packet); err != nil {
			return nil, err
		}
		_, err := p.send(channeltypesv2.NewMsgTimeout(packet, unhex(c.Proof), clienttypes.NewHeight(c.Revision, c.Height), signer))
		return answer{}, err
	case "prove": // a key of store ibc under header Height
		proof, height := p.chain.QueryProofAtHeight(unhex(c.Key), int64(c.Height))
		found, err := p.chain.App.Query(p.chain.GetContext().Context(),
			&abci.RequestQuery{Path: "store/" + exported.StoreKey + "/key", Height: int64(c.Height) - 1, Data: unhex(c.Key)})
		if err != nil {
			return nil, err
		}
		return answer{"proof": hex.EncodeToString(proof), "value": hex.EncodeToString(found.Value), "height": height.RevisionHeight}, nil
	}
	return nil, fmt.Errorf("unknown command %s", c.Do)
}

// next commits a block, so that what was sent is under a header.
func (p *peer) next() {
	p.coord.CommitBlock(p.chain)
}

func (p *peer) send(message sdk.Msg) (*abci.ExecTxResult, error) {
	return p.chain.SendMsgs(message)
}

func anyBytes(message proto.Message) string {
	wrapped, err := codectypes.NewAnyWithValue(message)
	if err != nil {
		panic(err)
	}
	bytes, err := proto.Marshal(wrapped)
	if err != nil {
		panic(err)
	}
	return hex.EncodeToString(bytes)
}

func unmarshal(text string, into proto.Message) error {
	return proto.Unmarshal(unhex(text), into)
}

func unhex(text string) []byte {
	bytes, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return bytes
}

func attribute(events []abci.Event, kind, key string) string {
	for _, event := range events {
		if event.Type != kind {
			continue
		}
		for _, one := range event.Attributes {
			if one.Key == key {
				return one.Value
			}
		}
	}
	return ""
}
