import Foundation
import Testing

@testable import Training

/// Each test runs in a process of its own, whose standard output is not a terminal.
@Suite struct ConsoleTests {
  private func text(_ result: ExitTest.Result?) -> String {
    String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
  }

  @Test func `Plain shows milestones and leaves out the rest`() async {
    let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
      let console = Console(.plain, launched: false)
      console.say("first")
      for step in 1...1000 { console.show({ "step \(step)" }, isMilestone: step % 500 == 0) }
      console.say("last")
      exit(0)
    }
    #expect(text(result).contains("first\nstep 500\nstep 1000\nlast\n"))
    #expect(!text(result).contains("\u{1B}"))
  }

  @Test func `Output that goes to no terminal is plain`() async {
    let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
      let console = Console(.auto, launched: false)
      console.show({ "some" }, isMilestone: false)
      console.show({ "epoch" }, isMilestone: true)
      exit(0)
    }
    #expect(text(result).contains("epoch\n"))
    #expect(!text(result).contains("some"))
    #expect(!text(result).contains("\u{1B}"))
  }

  @Test func `None leaves out milestones but not lines`() async {
    let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
      let console = Console(.none, launched: false)
      console.show({ "epoch" }, isMilestone: true)
      console.say("saved")
      exit(0)
    }
    #expect(text(result).contains("saved\n"))
    #expect(!text(result).contains("epoch"))
  }

  @Test func `Live rewrites its line and clears it for others`() async {
    let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
      let console = Console(.live, launched: false)
      usleep(150_000)
      console.show({ "step 1" }, isMilestone: false)
      console.show({ "step 2" }, isMilestone: false)
      console.say("saved")
      console.show({ "epoch" }, isMilestone: true)
      exit(0)
    }
    #expect(text(result).contains("\rstep 1\u{1B}[K\r\u{1B}[Ksaved\nepoch\n"))
    #expect(!text(result).contains("step 2"), "too soon after the first")
  }

  @Test func `A closed output is not the end`() async {
    await #expect(processExitsWith: .exitCode(7)) {
      Preemption.install()
      close(STDOUT_FILENO)
      Console(.plain, launched: false).say("lost")
      exit(7)
    }
  }
}
