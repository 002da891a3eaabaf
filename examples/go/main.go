// A service that everybody may read who is logged in, and editors may write to.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	authv1 "example.org/articles/tokenward/auth/v1"
)

func main() {
	connection, err := grpc.NewClient(
		environment("AUTH_GRPC", "127.0.0.1:50051"),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	)
	if err != nil {
		log.Fatal(err)
	}
	guard := Guard{
		Auth:     authv1.NewAuthServiceClient(connection),
		Audience: environment("AUTH_AUDIENCE", "api"),
	}
	routes := http.NewServeMux()
	articles := &articles{titles: []string{"Tokens for all"}}
	routes.Handle("GET /articles", guard.Needs(articles.list))
	routes.Handle("POST /articles", guard.Needs(articles.add, "articles:write"))

	listener, err := net.Listen("tcp", "127.0.0.1:"+environment("PORT", "8000"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	server := http.Server{Handler: routes, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.Serve(listener))
}

type articles struct {
	lock   sync.Mutex
	titles []string
}

func (a *articles) list(w http.ResponseWriter, _ *http.Request) {
	a.lock.Lock()
	defer a.lock.Unlock()
	answer(w, http.StatusOK, a.titles)
}

func (a *articles) add(w http.ResponseWriter, r *http.Request) {
	var article struct{ Title string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&article); err != nil {
		http.Error(w, "not an article", http.StatusBadRequest)
		return
	}
	a.lock.Lock()
	defer a.lock.Unlock()
	a.titles = append(a.titles, article.Title)
	answer(w, http.StatusCreated, map[string]string{"author": ClaimsOf(r).GetSubject()})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func environment(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
