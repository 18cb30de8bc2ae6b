import Foundation
import LinearAlgebra

@testable import Datasets

/// Text in memory as a file, in exactly as many bytes: with the address sanitizer, reading beyond them is an error.
final class TextInMemory {
  private let bytes: UnsafeMutableRawBufferPointer

  init(_ text: [UInt8]) {
    bytes = .allocate(byteCount: text.count, alignment: 1)
    bytes.copyBytes(from: text)
  }

  convenience init(_ text: String) { self.init(Array(text.utf8)) }

  deinit { bytes.deallocate() }

  /// A file over the text; valid as long as this object.
  func file(_ name: String = "text") throws -> TextFile { try TextFile(name, UnsafeRawBufferPointer(bytes)) }

  func svmLight(
    indexBase: SVMLight.IndexBase = .auto, columns: Int? = nil, element: FeatureMatrix.Element = .float64,
    chunkSize: Int = 1 << 20
  ) throws -> SVMLight.Examples {
    let file = try TextFile("text", UnsafeRawBufferPointer(bytes))
    defer { extendLifetime(self) }
    return try SVMLight.read([file], indexBase: indexBase, columns: columns, element: element, chunkSize: chunkSize)
  }

  func csv(_ options: CSV.Options = CSV.Options(element: .float64), chunkSize: Int = 1 << 20) throws -> CSV.Table {
    let file = try TextFile("text", UnsafeRawBufferPointer(bytes))
    defer { extendLifetime(self) }
    return try CSV.read([file], options: options, chunkSize: chunkSize)
  }
}

/// A row of sparse features as columns and values.
struct SparseRow: Equatable {
  var label = ""
  var columns: [Int] = []
  var values: [Double] = []
}

/// The rows with their labels; empty labels where there are none.
func rows(_ data: SVMLight.Examples) -> [SparseRow] {
  func rows<Scalar: BLASScalar>(_: Scalar.Type) -> [SparseRow] {
    data.features.withStorage(as: Scalar.self) { rows, columns, values in
      (0..<data.features.rows).map { row in
        let range = rows[row]
        return SparseRow(
          label: data.labels.map { $0.texts[Int($0.codes[row])] } ?? "", columns: range.map { Int(columns[$0]) },
          values: range.map { Double(values[$0]) })
      }
    }
  }
  return data.features.element == .float32 ? rows(Float.self) : rows(Double.self)
}

/// The result of reading, computed line by line with the standard library's numbers; nil for text that must be refused.
func naiveSVMLight(_ text: String) -> [SparseRow]? {
  var rows: [SparseRow] = []
  var hasZero = false
  let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
  let tokens = lines.map { line in line.prefix { $0 != "#" }.split { $0 == " " || $0 == "\t" } }
  let hasLabels = tokens.first { !$0.isEmpty }?.first?.contains(":") == false
  for (number, (line, tokens)) in zip(lines, tokens).enumerated() {
    guard let first = tokens.first else {
      // No line follows the last newline.
      if !hasLabels, !line.contains("#"), number < lines.count - 1 { return nil }
      continue
    }
    if first.contains(":") == hasLabels || first.contains(",") { return nil }
    var row = SparseRow(label: hasLabels ? String(first) : "")
    var previous = -1
    for (place, token) in tokens.enumerated().dropFirst(hasLabels ? 1 : 0) {
      if token.hasPrefix("qid:") && place == (hasLabels ? 1 : 0) { continue }
      let parts = token.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, let index = Int(parts[0]), parts[0].first!.isNumber, index > previous,
        let value = naiveNumber(String(parts[1]))
      else { return nil }
      hasZero = hasZero || index == 0
      previous = index
      if value != 0 {
        row.columns.append(index)
        row.values.append(value)
      }
    }
    rows.append(row)
  }
  if !hasZero {
    for row in rows.indices { rows[row].columns = rows[row].columns.map { $0 - 1 } }
  }
  return rows.isEmpty ? nil : rows
}

/// A finite number in digits.
func naiveNumber(_ text: String) -> Double? {
  guard text.utf8.allSatisfy({ "0123456789+-.eE".utf8.contains($0) }), let number = Double(text), number.isFinite else {
    return nil
  }
  return number
}

extension SplitMix64 {
  mutating func pick<Element>(_ choices: [Element]) -> Element { choices[Int(next(below: UInt64(choices.count)))] }

  /// A number in a form that people and programs write, seldom a wrong one.
  mutating func numberText() -> String {
    switch next(below: 40) {
    case 0: pick(["0x10", "inf", "nan", "1e400", "-1e999", "1e", ".", "-", "1.2.3", "1_0", "--1", "1e+", "", "1d3"])
    case 1:
      pick([
        "1e-400", "4.9e-324", "2.2250738585072011e-308", "1.7976931348623157e308", "9007199254740993",
        "123456789012345678901234567890", "0.00000000000000000000000000000012345678901234567890123", "000001.5", "+3",
        "5.", ".5", "-0", "0", "0.0", "1e22", "1e23", "8.5e-27", "18446744073709551615", "18446744073709551616",
        "9999999999999999999e-27", "16777217", "1e-45", "3.4e38",
      ])
    case 2...15: "\(Int(next(below: 20)))"
    case 16...25: "\(Double(next(below: 2_000_000)) / 1e6 - 1)"
    case 26...32: "\(Double(bitPattern: next() & 0x7fff_ffff_ffff_ffff | 0x3000_0000_0000_0000).magnitude)"
    default: "\(next())e\(Int(next(below: 60)) - 40)"
    }
  }
}
