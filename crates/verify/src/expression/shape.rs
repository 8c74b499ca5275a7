//! Standard shape: plus-minus written out, nested lists flat, matrix arithmetic done.

use super::budget::{Budget, Step, Trouble};
use super::tree::{Join, Node};

/// Most members a list may get by writing out plus-minus.
const MAX_MEMBERS: usize = 256;

/// Largest matrix result, in nodes.
const MAX_ENTRIES: usize = 20_000;

fn size(node: &Node) -> usize {
    1 + node.children().into_iter().map(size).sum::<usize>()
}

fn total_size(rows: &[Vec<Node>]) -> usize {
    rows.iter().flatten().map(size).sum()
}

fn check_size(nodes: usize, budget: &mut Budget) -> Step<()> {
    if nodes > MAX_ENTRIES {
        return Err(Trouble::Budget("the entries of a matrix"));
    }
    budget.pay(40 * nodes as u64)
}

/// Brings a tree in standard shape.
pub(super) fn standard(mut node: Node, budget: &mut Budget) -> Step<Node> {
    node = plus_minus(node, budget)?;
    inside(&mut node, budget)?;
    Ok(node)
}

fn inside(node: &mut Node, budget: &mut Budget) -> Step<()> {
    budget.pay(20)?;
    for child in node.children_mut() {
        inside(child, budget)?;
    }
    let taken = std::mem::replace(node, Node::Ellipsis);
    *node = one(taken, budget)?;
    Ok(())
}

/// Rewrites one node whose children are in shape.
fn one(node: Node, budget: &mut Budget) -> Step<Node> {
    Ok(match node {
        Node::Set(items) => Node::Set(flat(items)),
        Node::List(items, join) => {
            let mut items = flat_lists(items);
            // `4k + 1, k ∈ ℤ`: the condition is no member.
            if items.iter().any(|item| !is_condition(item)) {
                items.retain(|item| !is_condition(item));
            }
            super::parser::collapse(items, |items| Node::List(items, join))
        }
        Node::Union(items) if items.iter().all(|item| matches!(item, Node::Set(_))) => {
            Node::Set(flat(items))
        }
        Node::Sum(terms) if terms.iter().any(is_matrix) => matrix_sum(terms, budget)?,
        Node::Product(factors) if factors.iter().any(is_matrix) => matrix_product(factors, budget)?,
        Node::Negate(inner) => match *inner {
            Node::Matrix(rows) => Node::Matrix(map(rows, |entry| Node::Negate(Box::new(entry)))),
            other => super::parser::negate(other),
        },
        Node::Quotient(above, below) => match *above {
            Node::Matrix(rows) => {
                check_size(
                    size(&below) * rows.iter().map(Vec::len).sum::<usize>(),
                    budget,
                )?;
                Node::Matrix(map(rows, |entry| {
                    Node::Quotient(Box::new(entry), below.clone())
                }))
            }
            above => Node::Quotient(Box::new(above), below),
        },
        other => other,
    })
}

fn is_condition(node: &Node) -> bool {
    let Node::Chain(terms, relations) = node else {
        return false;
    };
    relations == &[super::tree::Relation::In]
        && matches!(terms.last(), Some(Node::Symbol(name)) if name.starts_with("set "))
}

fn is_matrix(node: &Node) -> bool {
    matches!(node, Node::Matrix(_))
}

fn flat(items: Vec<Node>) -> Vec<Node> {
    items
        .into_iter()
        .flat_map(|item| match item {
            Node::List(inner, _) | Node::Set(inner) => inner,
            other => vec![other],
        })
        .collect()
}

/// Lists in lists stay apart if they all have several members: they are then like tuples.
fn flat_lists(items: Vec<Node>) -> Vec<Node> {
    let nested = items
        .iter()
        .filter(|item| matches!(item, Node::List(..)))
        .count();
    if nested > 1 && nested == items.len() {
        return items;
    }
    items
        .into_iter()
        .flat_map(|item| match item {
            Node::List(inner, _) => inner,
            other => vec![other],
        })
        .collect()
}

fn map(rows: Vec<Vec<Node>>, change: impl Fn(Node) -> Node) -> Vec<Vec<Node>> {
    rows.into_iter()
        .map(|row| row.into_iter().map(&change).collect())
        .collect()
}

fn matrix_sum(terms: Vec<Node>, budget: &mut Budget) -> Step<Node> {
    let mut total: Option<Vec<Vec<Node>>> = None;
    for term in terms {
        let Node::Matrix(rows) = term else {
            return Err(Trouble::Unreadable("a matrix is added to a number".into()));
        };
        budget.pay(50 * rows.iter().map(Vec::len).sum::<usize>() as u64)?;
        total = Some(match total {
            None => rows,
            Some(before) => {
                let same = before.len() == rows.len()
                    && before.iter().zip(&rows).all(|(a, b)| a.len() == b.len());
                if !same {
                    return Err(Trouble::Undefined("a sum of matrices of different sizes"));
                }
                before
                    .into_iter()
                    .zip(rows)
                    .map(|(a, b)| {
                        a.into_iter()
                            .zip(b)
                            .map(|(x, y)| Node::Sum(vec![x, y]))
                            .collect()
                    })
                    .collect()
            }
        });
    }
    Ok(Node::Matrix(total.unwrap_or_default()))
}

fn matrix_product(factors: Vec<Node>, budget: &mut Budget) -> Step<Node> {
    let (matrices, scalars): (Vec<Node>, Vec<Node>) = factors.into_iter().partition(is_matrix);
    let mut total: Option<Vec<Vec<Node>>> = None;
    for factor in matrices {
        let Node::Matrix(rows) = factor else { continue };
        total = Some(match total {
            None => rows,
            Some(before) => times(&before, &rows, budget)?,
        });
    }
    let total = total.unwrap_or_default();
    if scalars.is_empty() {
        return Ok(Node::Matrix(total));
    }
    let copies = total.iter().map(Vec::len).sum::<usize>();
    check_size(scalars.iter().map(size).sum::<usize>() * copies, budget)?;
    Ok(Node::Matrix(map(total, |entry| {
        let mut factors = scalars.clone();
        factors.push(entry);
        Node::Product(factors)
    })))
}

fn times(a: &[Vec<Node>], b: &[Vec<Node>], budget: &mut Budget) -> Step<Vec<Vec<Node>>> {
    let width = b.first().map_or(0, Vec::len);
    if a.iter().any(|row| row.len() != b.len()) {
        return Err(Trouble::Undefined("a product of matrices of these sizes"));
    }
    // Every entry of the left is copied for each column, every entry of the right for each row.
    check_size(total_size(a) * width + total_size(b) * a.len(), budget)?;
    let entry = |row: &[Node], column: usize| {
        let terms = row.iter().zip(b).filter_map(|(left, other)| {
            Some(Node::Product(vec![
                left.clone(),
                other.get(column)?.clone(),
            ]))
        });
        Node::Sum(terms.collect())
    };
    Ok(a.iter()
        .map(|row| (0..width).map(|column| entry(row, column)).collect())
        .collect())
}

/// Writes plus-minus out: a scalar or a relation with it becomes a list of two.
fn plus_minus(node: Node, budget: &mut Budget) -> Step<Node> {
    let has = |node: &Node| node.any(&|part| matches!(part, Node::PlusMinus(..)));
    if !has(&node) {
        return Ok(node);
    }
    match node {
        Node::List(items, join) => Ok(Node::List(members(items, budget)?, join)),
        Node::Set(items) => Ok(Node::Set(members(items, budget)?)),
        Node::Union(items) => {
            let items = items
                .into_iter()
                .map(|item| plus_minus(item, budget))
                .collect::<Step<_>>()?;
            Ok(Node::Union(items))
        }
        other => {
            budget.pay(2000)?;
            let both = vec![chosen(&other, true), chosen(&other, false)];
            Ok(Node::List(both, Join::Or))
        }
    }
}

fn members(items: Vec<Node>, budget: &mut Budget) -> Step<Vec<Node>> {
    let mut all = Vec::new();
    for item in items {
        match plus_minus(item, budget)? {
            Node::List(inner, _) => all.extend(inner),
            other => all.push(other),
        }
        if all.len() > MAX_MEMBERS {
            return Err(Trouble::Budget("the members of a list"));
        }
    }
    Ok(all)
}

/// The tree with the upper (or lower) sign everywhere.
fn chosen(node: &Node, upper: bool) -> Node {
    let mut node = node.clone();
    choose(&mut node, upper);
    node
}

fn choose(node: &mut Node, upper: bool) {
    for child in node.children_mut() {
        choose(child, upper);
    }
    if let Node::PlusMinus(left, right, plus) = node {
        let left = std::mem::replace(left.as_mut(), Node::Ellipsis);
        let right = std::mem::replace(right.as_mut(), Node::Ellipsis);
        let right = if *plus == upper {
            right
        } else {
            super::parser::negate(right)
        };
        *node = if left == Node::integer(0) {
            right
        } else {
            Node::Sum(vec![left, right])
        };
    }
}
