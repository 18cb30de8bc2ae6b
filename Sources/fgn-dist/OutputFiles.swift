import ArgumentParser
import Foundation

/// Throws if an output is an input or another output, also by another path.
func checkOutputs(_ outputs: [String], inputs: [String]) throws {
  func file(_ path: String) -> URL { URL(fileURLWithPath: path).resolvingSymlinksInPath().standardizedFileURL }
  var files = Set(inputs.map(file))
  for path in outputs where !files.insert(file(path)).inserted {
    throw ValidationError("\(path) is named twice; give each output a file of its own")
  }
}
