import ArgumentParser
import LinearAlgebra
import MPI
import Training

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a model, checkpoint or other safetensors file holds, after checking it.")

  @Argument(help: "A safetensors file.")
  var file: String

  @Flag(help: "Also print the configuration that the model was trained with.")
  var config = false

  func run() throws {
    try Job.run { job in
      try job.communicator.onRoot {
        let stored = try StoredTensors(path: file)
        try StandardOutput.print(ModelFile.summary(of: stored))
        if config { try StandardOutput.print(ModelFile(stored.header).configuration.yaml) }
      }
      return .success
    }
  }
}
