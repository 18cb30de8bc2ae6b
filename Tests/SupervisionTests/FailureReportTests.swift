import Testing

@testable import Supervision

/// What is read from the standard error of an attempt.
@Suite struct FailureReportTests {
  private func report(_ lines: String...) -> FailureReport {
    var report = FailureReport()
    for line in lines { report.read(line) }
    return report
  }

  @Test func `A killed rank is named with its host by the launcher`() {
    let line = "mpirun noticed that process rank 1 with PID 0 on node node7 exited on signal 9 (Killed)."
    let report = report("Primary job  terminated normally, but 1 process returned", line)
    #expect(report.culprit == "node7" && report.detail == line)
  }

  @Test func `The rank that is lost is to blame, not the one that says so`() {
    let report = report(
      "fgn-dist: error: rank 0 on node1: rank 3 on node4 has given no sign of life for 10 s: it is stopped, or its machine "
        + "or the network to it is lost; the job ends, and a training run goes on with --resume")
    #expect(report.culprit == "node4" && report.detail?.hasPrefix("rank 0 on node1: rank 3") == true)
  }

  @Test func `A lost host is named`() {
    let report = report(
      "ORTE has lost communication with a remote daemon.", "  HNP daemon   : [[47132,0],0] on node node1",
      "  Remote daemon: [[47132,0],2] on node node3")
    #expect(report.culprit == "node3" && report.detail == "the launcher has lost node3")
  }

  @Test func `The first error counts, before what the launcher says`() {
    let report = report(
      "mpirun noticed that process rank 0 with PID 7 on node a exited on signal 6 (Aborted).",
      "fgn-dist: error: run.yaml: no such key", "fgn-dist: error: another", "fgn-dist: a remark")
    #expect(report.detail == "run.yaml: no such key")
  }
}
