import ArgumentParser
import Foundation
import MPI
import Training

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write the parameters of a model for PyTorch or NumPy.",
    discussion: """
      The names are those of a torch.nn.Sequential, so that load_state_dict takes a safetensors file as it is. The line \
      that is printed tells what the inputs need, and so do the metadata in the file.
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable {
    case safetensors, npy
  }

  @Argument(help: "Model or checkpoint (safetensors).")
  var model: String

  @Option(help: "File to write, or with --format npy the folder.")
  var out: String

  @Option(
    help: ArgumentHelp("safetensors: one file; npy: a folder with one array for each parameter.", valueName: "format"),
    transform: Export.format)
  var format = Format.safetensors

  @Option(help: "What to put before the names, such as model. (default: nothing)")
  var prefix = ""

  @Option(help: "float32 or float64. (default: as trained)")
  var precision: Configuration.TrainingOptions.Precision?

  @Flag(help: "Put the normalization of the inputs into the first layer, where that is exact.")
  var foldNormalization = false

  @Flag(help: "Replace what is there.")
  var force = false

  private static func format(_ name: String) throws -> Format {
    if name.lowercased() == "onnx" {
      throw ValidationError(
        "ONNX is not written: there is no maintained ONNX writer for Swift; "
          + "export safetensors, load it into PyTorch and call torch.onnx.export")
    }
    guard let format = Format(rawValue: name) else {
      throw ValidationError("it is one of \(Format.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return format
  }

  func validate() throws {
    if format == .npy, prefix.contains("/") {
      throw ValidationError("--prefix \(prefix) cannot begin the name of a file; leave out the /")
    }
    if prefix.unicodeScalars.contains(where: { $0.value < 0x20 }) {
      throw ValidationError("--prefix has a control character; leave it out")
    }
  }

  func run() throws {
    try Job.run { job in
      try job.communicator.onRoot {
        try checkTarget()
        let export = try ModelExport(
          path: model, precision: precision, prefix: prefix, foldsNormalization: foldNormalization)
        switch format {
        case .safetensors: try export.writeSafetensors(to: out)
        case .npy: try export.writeArrays(to: out)
        }
        try StandardOutput.print("\(out): \(export.summary)")
      }
      return .success
    }
  }

  /// Refuses to replace an existing target, unless the user asks for it and it is of the kind that is written.
  private func checkTarget() throws {
    func file(_ path: String) -> URL { URL(fileURLWithPath: path).resolvingSymlinksInPath().standardizedFileURL }
    guard file(out) != file(model) else {
      throw ConfigurationError(source: out, "is the model itself, and is not replaced; choose another --out")
    }
    var isFolder: ObjCBool = false
    // `none/..` is a folder that there is.
    let target = format == .npy ? URL(fileURLWithPath: out).standardizedFileURL.path : out
    guard FileManager.default.fileExists(atPath: target, isDirectory: &isFolder) else { return }
    guard force else {
      throw ConfigurationError(source: out, "exists; add --force to replace it, or choose another --out")
    }
    guard isFolder.boolValue == (format == .npy), !isFolder.boolValue || ModelExport.isExport(folder: target) else {
      let kind = format == .npy ? "no folder of an earlier export" : "a folder"
      throw ConfigurationError(source: out, "is \(kind), and is not replaced; choose another --out")
    }
  }
}

extension Configuration.TrainingOptions.Precision: ExpressibleByArgument {}
