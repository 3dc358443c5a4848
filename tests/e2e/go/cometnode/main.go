// Command cometnode is CometBFT's own node: `cometnode init --home DIR`, `cometnode node --home DIR --proxy_app kvstore`.
package main

import (
	"os"

	"github.com/cometbft/cometbft/cmd/cometbft/commands"
	"github.com/cometbft/cometbft/libs/cli"
	"github.com/cometbft/cometbft/node"
)

func main() {
	root := commands.RootCmd
	root.AddCommand(commands.InitFilesCmd, commands.NewRunNodeCmd(node.DefaultNewNode))
	if cli.PrepareBaseCmd(root, "CMT", os.Getenv("HOME")).Execute() != nil {
		os.Exit(1)
	}
}
