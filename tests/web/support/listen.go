// Go's own client at an event stream: prints how it is coded, an empty line, and its text as it comes.
//
//	go run listen.go http://127.0.0.1:8080/sse/subscribe/alice
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	answer, err := http.Get(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	coding := "identity"
	if answer.Uncompressed {
		coding = "gzip"
	}
	fmt.Printf("coding: %s\n\n", coding)
	// It compares the sum and the length at the end.
	if _, err := io.Copy(os.Stdout, answer.Body); err != nil {
		log.Fatal(err)
	}
}
