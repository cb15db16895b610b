// What runs in the pods of the real node, whose images hold this program and nothing else.
//
//	guest pause         does nothing until it is told to end, as Kubernetes' pause image does
//	guest serve FOLDER  reads a model as a model server does, all of it before it answers; then GET / gives the bytes
//	                    of model.bin, GET /NAME the digest of a file as it is now, and GET /read how long reading took
package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"
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
	started := time.Now()
	shards, err := filepath.Glob(filepath.Join(folder, "*.safetensors"))
	if err != nil {
		return err
	}
	var size int64
	for _, shard := range shards {
		read, err := load(shard)
		if err != nil {
			return fmt.Errorf("%s: %w", shard, err)
		}
		size += read
	}
	model, err := os.ReadFile(filepath.Join(folder, "model.bin"))
	if err != nil && (len(shards) == 0 || !errors.Is(err, os.ErrNotExist)) {
		return err
	}
	took := time.Since(started)
	log.Printf("read a model of %d bytes from %s in %s", size+int64(len(model)), folder, took)
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { w.Write(model) })
	http.HandleFunc("GET /read", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%d", took.Milliseconds())
	})
	http.HandleFunc("GET /{name}", func(w http.ResponseWriter, r *http.Request) {
		digest, err := digestOf(filepath.Join(folder, r.PathValue("name")))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		fmt.Fprint(w, digest)
	})
	return http.ListenAndServe(":8080", nil)
}

// Copies each tensor of a mapped file, in the order of their names: as the safetensors library does for vLLM.
func load(shard string) (int64, error) {
	file, err := os.Open(shard)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	mapped, err := syscall.Mmap(int(file.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err != nil {
		return 0, err
	}
	defer syscall.Munmap(mapped)
	length := binary.LittleEndian.Uint64(mapped)
	header := map[string]json.RawMessage{}
	if err := json.Unmarshal(mapped[8:8+length], &header); err != nil {
		return 0, err
	}
	delete(header, "__metadata__")
	names := make([]string, 0, len(header))
	for name := range header {
		names = append(names, name)
	}
	slices.Sort(names)
	data := mapped[8+length:]
	var buffer []byte
	for _, name := range names {
		var tensor struct {
			Offsets [2]int64 `json:"data_offsets"`
		}
		if err := json.Unmarshal(header[name], &tensor); err != nil {
			return 0, err
		}
		buffer = append(buffer[:0], data[tensor.Offsets[0]:tensor.Offsets[1]]...)
	}
	return info.Size(), nil
}

func digestOf(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", hash.Sum(nil)), nil
}
