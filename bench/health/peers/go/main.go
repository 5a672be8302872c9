// SPDX-License-Identifier: GPL-2.0-or-later

// The Go peer of the health benchmark: net/http without keep-alives, one goroutine per target,
// all started at once; a channel keeps the open connections below the limit of descriptors. The
// timeout of a probe begins when it has its place.
//
//	prober N PORT TIMEOUT_MS CONNECTIONS
//
// probes the addresses from 127.1.0.0 on, and prints one line of JSON.
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

const first = 0x7f010000

func number(i int) int {
	n, err := strconv.Atoi(os.Args[i])
	if err != nil || n < 0 {
		fmt.Fprintln(os.Stderr, "not a number:", os.Args[i])
		os.Exit(2)
	}
	return n
}

func probe(client *http.Client, url string) error {
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err = io.Copy(io.Discard, answer.Body); err == nil && answer.StatusCode != 200 {
		err = errors.New(answer.Status)
	}
	return err
}

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "prober N PORT TIMEOUT_MS CONNECTIONS")
		os.Exit(2)
	}
	n, port := number(1), number(2)
	places := make(chan struct{}, number(4))
	results := make(chan error, n)
	client := &http.Client{
		Timeout:   time.Duration(number(3)) * time.Millisecond,
		Transport: &http.Transport{DisableKeepAlives: true},
	}
	begun := time.Now()
	for i := 0; i < n; i++ {
		addr := uint32(first + i)
		url := fmt.Sprintf("http://%d.%d.%d.%d:%d/", addr>>24, addr>>16&255, addr>>8&255, addr&255, port)
		go func() {
			places <- struct{}{}
			results <- probe(client, url)
			<-places
		}()
	}
	ok, failed, timeouts := 0, 0, 0
	for i := 0; i < n; i++ {
		var slow net.Error
		switch err := <-results; {
		case err == nil:
			ok++
		case errors.As(err, &slow) && slow.Timeout():
			timeouts++
		default:
			failed++
		}
	}
	fmt.Printf("{\"wall_s\": %.6f, \"ok\": %d, \"timeouts\": %d, \"failed\": %d}\n",
		time.Since(begun).Seconds(), ok, timeouts, failed)
}
