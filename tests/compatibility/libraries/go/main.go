// Resource servers that use libraries of Go: asked for by name.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
)

// question is what the first line of standard input says.
type question struct {
	Issuer   string `json:"issuer"`
	Audience string `json:"audience"`
	JwksURL  string `json:"jwks_url"`
}

// judge gives an error for a token that is not good.
type judge func(token string) error

// library makes a judge, and names the modules that do the work.
type library struct {
	modules []string
	open    func(context.Context, question) (judge, error)
}

var libraries = map[string]library{
	"golang-jwt": {[]string{"github.com/golang-jwt/jwt/v5", "github.com/MicahParks/keyfunc/v3"}, golangJwt},
	"go-oidc":    {[]string{"github.com/coreos/go-oidc/v3"}, goOidc},
	"jwx":        {[]string{"github.com/lestrrat-go/jwx/v3"}, jwx},
}

func main() {
	if err := serve(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve answers one token a line. An empty line is no token.
func serve(name string) error {
	library, ok := libraries[name]
	if !ok {
		return fmt.Errorf("no library %q", name)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Scan()
	var asked question
	if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
		return err
	}
	judge, err := library.open(context.Background(), asked)
	if err != nil {
		return err
	}
	answers := json.NewEncoder(os.Stdout)
	if err := answers.Encode(map[string]string{"version": versions(library.modules)}); err != nil {
		return err
	}
	for lines.Scan() {
		var verdict struct {
			Allowed bool   `json:"allowed"`
			Why     string `json:"why,omitempty"`
		}
		if err := judge(lines.Text()); err != nil {
			verdict.Why = err.Error()
		} else {
			verdict.Allowed = true
		}
		if err := answers.Encode(verdict); err != nil {
			return err
		}
	}
	return lines.Err()
}

func versions(modules []string) (text string) {
	built, _ := debug.ReadBuildInfo()
	for _, wanted := range modules {
		for _, module := range built.Deps {
			if module.Path == wanted && text == "" {
				text = module.Version
			} else if module.Path == wanted {
				text += ", keyfunc " + module.Version
			}
		}
	}
	return text
}
