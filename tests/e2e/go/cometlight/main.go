// Command cometlight is CometBFT's light client over the RPC of two nodes of a chain.
//
// Usage: cometlight CHAIN_ID PRIMARY WITNESS TRUSTED_HEIGHT TRUSTED_HASH HEIGHT... ; it prints a line with height and hash of each
// header that it came to believe, skipping, then the same of a client that verifies every header on the way.
package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"time"

	db "github.com/cometbft/cometbft-db"
	"github.com/cometbft/cometbft/light"
	"github.com/cometbft/cometbft/light/provider"
	"github.com/cometbft/cometbft/light/provider/http"
	lightdb "github.com/cometbft/cometbft/light/store/db"
)

func main() {
	if len(os.Args) < 7 {
		stop(fmt.Errorf("usage: cometlight CHAIN_ID PRIMARY WITNESS TRUSTED_HEIGHT TRUSTED_HASH HEIGHT"))
	}
	trusted, err := strconv.ParseInt(os.Args[4], 10, 64)
	stop(err)
	hash, err := hex.DecodeString(os.Args[5])
	stop(err)
	for _, way := range []light.Option{light.SkippingVerification(light.DefaultTrustLevel), light.SequentialVerification()} {
		follow(os.Args[1], os.Args[2], os.Args[3], light.TrustOptions{Period: 24 * time.Hour, Height: trusted, Hash: hash}, os.Args[6:], way)
	}
}

func follow(chainID, primary, witness string, trust light.TrustOptions, heights []string, way light.Option) {
	first, err := http.New(chainID, primary)
	stop(err)
	second, err := http.New(chainID, witness)
	stop(err)
	store := lightdb.New(db.NewMemDB(), chainID)
	client, err := light.NewClient(context.Background(), chainID, trust, first, []provider.Provider{second}, store, way)
	stop(err)
	for _, text := range heights {
		height, err := strconv.ParseInt(text, 10, 64)
		stop(err)
		block, err := client.VerifyLightBlockAtHeight(context.Background(), height, time.Now())
		stop(err)
		fmt.Println(block.Height, block.Hash())
	}
}

func stop(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
