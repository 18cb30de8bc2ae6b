import LinearAlgebra
import Testing

@testable import Datasets

/// Random tables, in the forms of programs and people, are read as intended or refused.
@Suite struct TableFuzzTests {
  /// The intended contents of a table.
  struct Truth {
    var names: [String]
    var label: Int
    var rows: [[String]]

    var features: [Int] { names.indices.filter { $0 != label } }
    var values: [Double] { rows.flatMap { row in features.map { naiveNumber(row[$0])! } } }
    var labels: [String] { rows.map { $0[label] } }
  }

  enum Names: CaseIterable { case words, count, countFromOne, all, numbers, twice, none }

  static let words = [
    "x", "sepal length", "a,b", "the \"petal\"", "é", "7th", "0x1", "1_0", "nan?", "ab;c", "-", "k\tv",
  ]

  func truth(_ kind: Names, _ generator: inout SplitMix64) -> Truth {
    let d = 1 + Int(generator.next(below: 8))
    let label = Int(generator.next(below: UInt64(d + 1)))
    let classes = generator.pick([
      ["0", "1", "2"], ["red", "blue, dark", "\"q\""], ["-1", "+1"], ["9007199254740993", "9007199254740992"],
    ])
    var names = Self.words.shuffled(using: &generator).prefix(d).map { $0 }
    switch kind {
    case .words: break
    case .count, .none: names = (0..<d).map { "\($0)" }
    case .countFromOne: names = (1...d).map { "\($0)" }
    case .all: names = (0...d).map { "\($0)" }
    case .numbers: names = (0..<d).map { _ in "\(generator.next(below: 30))" }
    case .twice: names = (0..<d).map { _ in generator.pick(["u", "v"]) }
    }
    if kind != .all { names.insert(generator.pick(["label", "Class", "kind"]), at: label) }
    let isWhole = generator.next(below: 2) == 0
    let rows = (0..<1 + generator.next(below: 6)).map { _ in
      (0...d).map { column in
        if column == label { return generator.pick(classes) }
        return isWhole ? "\(generator.next(below: 9))" : "\(Double(generator.next(below: 4000)) / 64 - 30)"
      }
    }
    return Truth(names: names, label: label, rows: rows)
  }

  func write(_ truth: Truth, hasNames: Bool, _ separator: String, _ generator: inout SplitMix64) -> String {
    let quotesAll = generator.next(below: 4) == 0
    let end = generator.pick(["\n", "\r\n", "\r"])
    func field(_ text: String) -> String {
      let needs = text.utf8.contains { ",;\t\"".utf8.contains($0) }
      return needs || quotesAll ? "\"\(text.replacing("\"", with: "\"\""))\"" : text
    }
    var lines = ((hasNames ? [truth.names] : []) + truth.rows).map { $0.map(field).joined(separator: separator) }
    if generator.next(below: 4) == 0 { lines.insert("", at: Int(generator.next(below: UInt64(lines.count + 1)))) }
    let text = lines.joined(separator: end) + (generator.next(below: 2) == 0 ? end : "")
    return (generator.next(below: 8) == 0 ? "\u{feff}" : "") + text
  }

  func matches(_ table: CSV.Table, _ truth: Truth, hasNames: Bool) -> Bool {
    let labels = table.labels!.codes.map { table.labels!.texts[Int($0)] }
    let names = hasNames ? truth.features.map { truth.names[$0] } : []
    return values(of: table.features) == truth.values && labels == truth.labels && table.columns.features == names
  }

  @Test func `What is read is what was written`() throws {
    var generator = SplitMix64(seed: 26)
    var counts: [Bool: Int] = [:]
    for iteration in 0..<max(700, FuzzTests.count / 10) {
      let kind = Names.allCases[iteration % Names.allCases.count]
      let truth = truth(kind, &generator)
      let hasNames = kind != .none
      let separator = generator.pick([",", ";", "\t"])
      let text = write(truth, hasNames: hasNames, separator, &generator)
      // Nobody takes numbers that count nothing for names, unless told so.
      let isTold = kind == .numbers || iteration % 3 == 0
      var options = CSV.Options(
        separator: CSV.Separator(rawValue: separator), header: isTold ? (hasNames ? .yes : .no) : .auto,
        label: .number(truth.label + 1), element: .float64)
      let table = Result { try TextInMemory(text).csv(options, chunkSize: 1 + iteration % 50) }
      switch table {
      case .success(let table):
        #expect(matches(table, truth, hasNames: hasNames), "\(kind) \(text.debugDescription)")
      case .failure(let error):
        #expect(
          !isTold && "\(error)".contains("line ") && "\(error)".contains("--header"),
          "\(error) \(text.debugDescription)")
      }
      counts[(try? table.get()) != nil, default: 0] += 1

      // The columns in another order are found by their names.
      guard hasNames, kind != .numbers || Set(truth.names).count == truth.names.count else { continue }
      options.known = TableColumns(features: truth.features.map { truth.names[$0] }, label: truth.names[truth.label])
      (options.label, options.header) = (.last, .yes)
      let order = truth.names.indices.shuffled(using: &generator)
      let moved = Truth(
        names: order.map { truth.names[$0] }, label: order.firstIndex(of: truth.label)!,
        rows: truth.rows.map { row in order.map { row[$0] } })
      let again = Result {
        try TextInMemory(write(moved, hasNames: true, separator, &generator)).csv(
          options, chunkSize: 1 + iteration % 50)
      }
      let isSame = moved.features.map { moved.names[$0] } == truth.features.map { truth.names[$0] }
      let canMatch = isSame || Set(truth.names).count == truth.names.count
      #expect(((try? again.get()) != nil) == canMatch, "\(again) \(moved.names) for \(truth.names)")
      // Nothing distinguishes columns with one name.
      if let table = try? again.get() {
        #expect(matches(table, Set(truth.names).count == truth.names.count ? truth : moved, hasNames: true))
      }
    }
    #expect(counts[true]! > 5 * counts[false]!, "\(counts)")
  }
}
