import ArgumentParser
import MPI
import Training

struct WriteReport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Write an HTML page with the curves of runs, also of those that are still going on.",
    discussion:
      "The page needs no network and no other file. Several runs share its charts. With the folder or trials of a search it has the picture of that."
  )

  @Argument(help: "Run directories.")
  var runs: [String]

  @Option(name: .customLong("out"), help: "Where to write the page.")
  var output = "report.html"

  func run() throws {
    try Job.run { job in
      try job.communicator.onRoot {
        let records = try runs.map { try RunRecord(path: $0) }
        let page = try ReportPage(records, ReportPage.Figure.all(of: runs)).html(version: FgnDist.version)
        try AtomicFile.write(output) { try $0.write(page) }
        try StandardOutput.print(
          "\(output): \(records.count == 1 ? "1 run" : "\(records.count) runs"), \(page.utf8.count / 1000) kB")
      }
      return .success
    }
  }
}
