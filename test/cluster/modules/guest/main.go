// What runs in the pods of the real node, whose images hold this program and nothing else.
//
//	guest pause         does nothing until it is told to end, as Kubernetes' pause image does
//	guest serve FOLDER  reads a model as a model server does, all of it before it answers; then GET / gives its bytes
package main

import (
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "pause" {
		pause()
	}
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		log.Fatal(serve(os.Args[2]))
	}
	log.Fatalf("usage: %s pause | serve FOLDER", os.Args[0])
}

func pause() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	<-ended
	os.Exit(0)
}

func serve(folder string) error {
	model, err := os.ReadFile(filepath.Join(folder, "model.bin"))
	if err != nil {
		return err
	}
	log.Printf("read a model of %d bytes from %s", len(model), folder)
	return http.ListenAndServe(":8080", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(model)
	}))
}
