import Foundation
import Testing

@testable import Training

@Suite struct LayerErrorTests {
  typealias Case = ConfigurationErrorTests.Case

  /// The list of layers in YAML, the place of the error in it, and words that the error must contain.
  private static let layerFaults = [
    Case("[lineer]", "[0]", "unknown layer 'lineer'", "did you mean linear?", "residual, tanh"),
    Case("[tanh, {max_pol: 2}]", "[1]", "unknown layer 'max_pol'", "did you mean max_pool?"),
    Case("[tanh, 3]", "[1]", "unknown layer '3'"), Case("[null]", "[0]", "unknown layer 'null'"),
    Case("[ReLU]", "[0]", "did you mean relu?"), Case("['']", "[0]", "unknown layer ''"),
    Case("[[tanh]]", "[0]", "one word", "linear: 128"), Case("[{}]", "[0]", "one word"),
    Case("[{linear: 3, tanh: 4}]", "[0]", "one word"), Case("[{relu: 3}]", "[0]", "relu has no settings"),
    Case("[{flatten: null}]", "[0]", "flatten has no settings"), Case("[linear]", "[0]", "linear: 128"),
    Case("[convolution]", "[0]", "convolution: {"), Case("[average_pool]", "[0]", "average_pool: 2"),
    Case("[residual]", "[0]", "residual: ["), Case("[{linear: 0}]", "[0].linear", "'0'", "from 1 to 1000000"),
    Case("[{linear: 1000001}]", "[0].linear", "'1000001'"), Case("[{linear: 2.5}]", "[0].linear", "'2.5'"),
    Case("[{linear: 99999999999999999999}]", "[0].linear", "whole number"),
    Case("[{linear: many}]", "[0].linear", "'many'"), Case("[{linear: [3]}]", "[0].linear", "a list or section"),
    Case("[{linear: }]", "[0].linear", "whole number"),
    Case("[{convolution: 3}]", "[0].convolution", "channels, kernel, stride, padding"),
    Case("[{convolution: {channels: 3}}]", "[0].convolution.kernel", "missing"),
    Case("[{convolution: {kernel: 3}}]", "[0].convolution.channels", "missing"),
    Case("[{convolution: {channels: 3, kernal: 2}}]", "[0].convolution.kernal", "unknown key", "did you mean kernel?"),
    Case("[{convolution: {channels: 3, kernel: 1001}}]", "[0].convolution.kernel", "from 1 to 1000"),
    Case("[{convolution: {channels: 3, kernel: 3, stride: 0}}]", "[0].convolution.stride", "'0'"),
    Case("[{convolution: {channels: 3, kernel: 3, padding: -1}}]", "[0].convolution.padding", "'-1'", "from 0"),
    Case("[{max_pool: two}]", "[0].max_pool", "'two'"), Case("[{max_pool: {}}]", "[0].max_pool.kernel", "missing"),
    Case("[{max_pool: {kernel: 2, channels: 3}}]", "[0].max_pool.channels", "allowed: kernel, stride, padding"),
    Case("[{average_pool: {kernel: 3, padding: 2}}]", "[0].average_pool.padding", "'2'", "from 0 to 1"),
    Case("[{residual: tanh}]", "[0].residual", "a list of layers"),
    Case("[{residual: []}]", "[0].residual", "one layer"),
    Case("[tanh, {residual: [tanh, {linear: x}]}]", "[1].residual[1].linear", "'x'"),
    Case("[{residual: [{residual: [than]}]}]", "[0].residual[0].residual[0]", "did you mean tanh?"),
  ]

  @Test(arguments: layerFaults)
  func `A layer that is described wrongly is refused by its place in the list`(fault: Case) throws {
    let error = #expect(throws: ConfigurationError.self) {
      try Configuration.parse("model: {layers: \(fault.text)}", source: "test.yaml")
    }
    #expect(error?.exitCode == 64)
    #expect(error?.key == "model.layers\(fault.key)")
    let line = error?.description ?? ""
    #expect(line.hasPrefix("test.yaml: model.layers[") && !line.contains("\n"))
    for word in fault.words { #expect(line.contains(word), "\(line)") }
    // The command line gives the error as well.
    #expect(throws: try #require(error)) {
      try Configuration.parse("", source: "test.yaml", overrides: ["model.layers=\(fault.text)"])
    }
  }
}
