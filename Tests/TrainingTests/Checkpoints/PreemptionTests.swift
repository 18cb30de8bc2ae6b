import Foundation
import Testing

@testable import Training

/// Each test runs in a process of its own: handlers and the flag belong to the process, and other tests run in
/// parallel.
@Suite struct PreemptionTests {
  @Test func `Nothing is requested at first and the last signal is remembered`() async {
    await #expect(processExitsWith: .success) {
      Preemption.install()
      #expect(Preemption.requested == nil)
      raise(SIGUSR1)
      #expect(Preemption.requested == .userDefined1)
      raise(SIGTERM)
      #expect(Preemption.requested == .terminate)
      Preemption.reset()
      #expect(Preemption.requested == nil)
    }
  }

  @Test func `The numbers are those of the system`() {
    #expect(Preemption.Signal.interrupt.rawValue == SIGINT)
    #expect(Preemption.Signal.userDefined1.rawValue == SIGUSR1)
    #expect(Preemption.Signal.hangUp.rawValue == SIGHUP)
    #expect(Preemption.Signal.terminate.rawValue == SIGTERM)
  }

  @Test func `Repeated termination stays orderly`() async {
    await #expect(processExitsWith: .success) {
      Preemption.install()
      for _ in 0..<3 { raise(SIGTERM) }
      for _ in 0..<3 { raise(SIGHUP) }
      #expect(Preemption.requested == .hangUp)
      for _ in 0..<3 { raise(SIGUSR1) }
      #expect(Preemption.requested == .userDefined1)
    }
  }

  @Test func `The second interrupt kills`() async {
    await #expect(processExitsWith: .signal(SIGINT)) {
      signal(SIGINT, SIG_DFL)
      Preemption.install()
      raise(SIGINT)
      guard Preemption.requested == .interrupt else { exit(1) }
      raise(SIGINT)
    }
  }

  @Test func `Installing again arms the interrupt again`() async {
    await #expect(processExitsWith: .success) {
      signal(SIGINT, SIG_DFL)
      Preemption.install()
      raise(SIGINT)
      Preemption.install()
      raise(SIGINT)
      #expect(Preemption.requested == .interrupt)
    }
  }

  @Test func `Signals that the parent blocked are unblocked`() async {
    await #expect(processExitsWith: .success) {
      var all = sigset_t()
      sigfillset(&all)
      pthread_sigmask(SIG_SETMASK, &all, nil)
      Preemption.install()
      raise(SIGTERM)
      #expect(Preemption.requested == .terminate)
    }
  }

  @Test func `An interrupt that the parent ignored stays ignored`() async {
    await #expect(processExitsWith: .success) {
      signal(SIGINT, SIG_IGN)
      Preemption.install()
      raise(SIGINT)
      #expect(Preemption.requested == nil)
    }
  }

  @Test func `A hang up that nohup ignores stays ignored`() async {
    await #expect(processExitsWith: .success) {
      signal(SIGHUP, SIG_IGN)
      Preemption.install()
      raise(SIGHUP)
      #expect(Preemption.requested == nil)
    }
  }

  @Test func `A signal on another thread is seen`() async {
    await #expect(processExitsWith: .success) {
      Preemption.install()
      let thread = Thread { pthread_kill(pthread_self(), SIGTERM) }
      thread.start()
      for _ in 0..<1000 where Preemption.requested == nil { usleep(10_000) }
      #expect(Preemption.requested == .terminate)
    }
  }

  @Test func `A closed pipe is an error and not the end`() async {
    await #expect(processExitsWith: .success) {
      Preemption.install()
      var ends: [Int32] = [0, 0]
      pipe(&ends)
      close(ends[0])
      #expect(write(ends[1], "x", 1) == -1)
      #expect(errno == EPIPE)
    }
  }
}
