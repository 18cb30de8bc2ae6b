import ArgumentParser
import Foundation
import MPI
import Study
import Training

struct StudyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "study", abstract: "Repeat the experiments of the paper.",
    discussion: """
      Each writes a folder below --out: data.csv with every observation, figures as SVG and PNG (by gnuplot), and \
      summary.md with the claim, the measurement and the verdict. A study that was stopped goes on with what is missing.
      """)

  @Argument(help: "decomposition, concentration, damping, soft-targets, classes, scaling, head, network, or all.")
  var name: String

  @Option(help: "Folder for the results.")
  var out: String

  @Flag(help: "Smaller grids on data that the program carries: all in a few minutes.")
  var quick = false

  @Flag(inversion: .prefixedNo, help: "Draw figures.")
  var figures = true

  @Option(help: "Folder of Fashion-MNIST's four files, which head and network train on.")
  var fashionMnist = "/usr/share/datasets/fashion-mnist"

  @Option(help: "Folder of Benchmarks/preparation/prepare_wordnet.py: head trains on that, too.")
  var wordnet: String?

  @Option(
    help: """
      The cluster of scaling: here, ethernet-10, infiniband-100, or a file that describes one; all three where this is \
      not given.
      """)
  var cluster: String?

  func run() throws {
    try Job.run { job in
      let all = Study.experiments(isQuick: quick)
      let chosen = name == "all" ? all : all.filter { $0.name == name }
      guard !chosen.isEmpty else {
        throw CollectiveFailure(
          ConfigurationError(
            "there is no study \(name); there are \(all.map(\.name).joined(separator: ", ")) and all"))
      }
      // A study may take hours, and its results are files: lost output lines are an error only at its end.
      var loss: StorageError?
      let laboratory = Laboratory(
        communicator: job.communicator, isQuick: quick, fashion: fashionMnist, wordnet: wordnet,
        cluster: cluster
      ) { line in
        do throws(StorageError) { try StandardOutput.print(line) } catch { loss = loss ?? error }
      }
      laboratory.say("fgn-dist \(FgnDist.version): \(job.description)")
      var findings: [Finding] = []
      for experiment in chosen {
        findings += try Study.run(experiment, in: out, laboratory, drawsFigures: figures)
      }
      laboratory.say("\(findings.count { $0.holds }) of \(findings.count) findings hold; results in \(out)")
      try job.communicator.onRoot { if let loss { throw loss } }
      return .success
    }
  }
}
